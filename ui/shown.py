"""How values look to people: times in UTC+8, ages, percents, probabilities, CSV that Excel opens."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import polars as pl

from domain.clock import in_shanghai
from domain.standards import factors
from ui.words import Words

NO_BREAK = "\u00a0"


def unbroken(sentence: str) -> str:
    """A sentence whose times stay in one piece when it wraps."""
    return re.sub(r"(\d\d-\d\d) (\d\d:\d\d)", rf"\1{NO_BREAK}\2", sentence)


def moment(time: datetime) -> str:
    """`08-14 03:00`, Asia/Shanghai."""
    return in_shanghai(time).strftime("%m-%d %H:%M")


def full_moment(time: datetime) -> str:
    """`2026-08-14 03:00:05`, Asia/Shanghai: for exports and records."""
    return in_shanghai(time).strftime("%Y-%m-%d %H:%M:%S")


def interval(start: datetime, end: datetime) -> str:
    """`08-14 03:00 – 09:00`; the end is the first instant after the interval."""
    same_day = in_shanghai(start).date() == in_shanghai(end).date()
    return f"{moment(start)} – {in_shanghai(end).strftime('%H:%M') if same_day else moment(end)}"


def age(span: timedelta, words: Words) -> str:
    """The largest unit that says it: minutes, hours, days."""
    minutes = int(span.total_seconds() // 60)
    if minutes < 1:
        return words("time.now")
    if minutes < 60:
        return words("time.minutes", n=minutes)
    if minutes < 48 * 60:
        return words("time.hours", n=minutes // 60)
    return words("time.days", n=minutes // 1440)


def percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}%"


def number(value: object) -> str:
    """A number of evidence or parameters without noise digits; other values as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.4g}" if abs(value) < 1e6 else f"{value:,.0f}"


def probability(p: float) -> str:
    """`p < 1e-9` below what anybody believes of a model, else two digits."""
    return "p < 1e-9" if p < 1e-9 else f"p = {p:.2g}"


def factor_name(code: str, words: Words) -> str:
    known = {str(c): f for c, f in factors().items()}.get(code)
    if known is None:
        return code
    return words.pick(known.zh, known.en[:1].upper() + known.en[1:])


def factor_unit(code: str) -> str:
    known = {str(c): f for c, f in factors().items()}.get(code)
    return "" if known is None else known.unit


def article(text: str, words: Words) -> str:
    """An article of a law: `第九十九条` is `art. 99` in English; other texts (`12.1.3`) stay."""
    found = re.fullmatch(r"第([一二三四五六七八九十百]+)条", text)
    if words.language == "zh" or found is None:
        return text
    total = unit = 0
    for sign in found[1]:
        if sign in "十百":
            total += (unit or 1) * (10 if sign == "十" else 100)
            unit = 0
        else:
            unit = "一二三四五六七八九".index(sign) + 1
    return words("evidence.article", n=total + unit)


def place(site: str, outlet: str | None) -> str:
    return f"{site} · {outlet}" if outlet else site


def csv_bytes(table: pl.DataFrame) -> bytes:
    """CSV with BOM; text a spreadsheet would run as a formula gets an apostrophe in front."""
    guarded = table.with_columns(
        pl.when(pl.col(pl.String).str.contains(r"^[=+\-@\t\r]"))
        .then(pl.lit("'") + pl.col(pl.String))
        .otherwise(pl.col(pl.String))
        .name.keep()
    ) if pl.String in table.dtypes else table  # fmt: skip
    return b"\xef\xbb\xbf" + guarded.write_csv().encode()
