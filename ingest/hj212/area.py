"""The data area: `name=value` items, tolerant of what devices send, and the readings they make.

Items are split at `;` and `,` alike and grouped by the part of the name before its last `-`: the standard's
own examples mix the separators (HJ 212-2017 C.14, C.19, C.48).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from domain import standards
from domain.registry import FactorCode
from ingest.hj212.model import Problem, ReadingValue, Severity
from ingest.hj212.numbers import NotUsable, parse_number

FLAG = "flag"
#: Suffix -> field of ReadingValue (HJ 212-2017 table 4). Realtime values stand in avg and converted_avg.
SLOTS: Mapping[str, str] = {
    "Rtd": "avg",
    "Avg": "avg",
    "Min": "min",
    "Max": "max",
    "ZsRtd": "converted_avg",
    "ZsAvg": "converted_avg",
    "ZsMin": "converted_min",
    "ZsMax": "converted_max",
    "Cou": "total",
    "Flag": FLAG,
}
_SLOTS_ANY_CASE = {suffix.lower(): suffix for suffix in SLOTS}
FLAG_LIMIT = 4  # C1 in 2017, two letters in HJ 75 and 2025
#: Logs of CN=3020 stand between `//` and may hold separators.
_LOG_ITEM = re.compile(r"[^;,=]*=//(?:(?!//).)*//[^;,]*", re.DOTALL)
_SEPARATOR = re.compile(r"[;,]")
_PLAIN = re.compile(r"[!-~]+")
_STANDARD_CODE = re.compile(r"[a-z]\d{5}|\d{2,3}|[BSLT]\d{2}", re.ASCII)
_PLAUSIBLE_SLOTS = ("avg", "min", "max", "converted_avg")


class Item(NamedTuple):
    """One `name=value`; offset counts bytes from the `##`."""

    name: str
    value: str
    offset: int


@dataclass
class _Group:
    code: str
    offset: int
    texts: dict[str, str] = field(default_factory=dict)  # slot -> text as sent
    values: dict[str, float] = field(default_factory=dict)
    flag: str | None = None
    extra: list[tuple[str, str]] = field(default_factory=list)


def read_items(area: str, offset: int, problems: list[Problem]) -> list[Item]:
    """Split an area (latin-1 text, so that positions are bytes) into items; values as Unicode."""
    items: list[Item] = []
    empty: int | None = None
    plain_area = _PLAIN.fullmatch(area) is not None
    for text, position in _pieces(area):
        at = offset + position
        name, equals, value = text.partition("=")
        if equals and plain_area:
            items.append(Item(name, value, at))
            continue
        bare, plain = name.strip(), value.strip()
        if not bare and not equals:
            empty = at if empty is None else empty
            continue
        if len(bare) != len(name) or len(plain) != len(value):
            problems.append(Problem("blanks", at, f"blanks around {bare[:20]!r}"))
        if equals:
            items.append(Item(_unicode(bare, at, problems), _unicode(plain, at, problems), at))
        else:
            sentence = f"{bare[:20]!r} has no ="
            problems.append(Problem("item_without_value", at, sentence, Severity.DOUBT))
    if empty is not None:
        problems.append(Problem("empty_item", empty, "a separator stands without an item beside it"))
    return items


def _pieces(area: str) -> Iterator[tuple[str, int]]:
    """The texts between separators and where they begin; none for an empty area."""
    at, end = 0, len(area)
    if "//" not in area:
        for text in area.replace(",", ";").split(";") if area else ():
            yield text, at
            at += len(text) + 1
        return
    while at < end:
        separator = _SEPARATOR.search(area, at)
        stop = separator.start() if separator else end
        if "=//" in area[at:stop] and (log := _LOG_ITEM.match(area, at)) is not None:
            stop = log.end()
        yield area[at:stop], at
        at = stop + 1
        if at == end:
            yield "", at  # a separator at the very end


def _unicode(text: str, offset: int, problems: list[Problem]) -> str:
    if text.isascii():
        return text
    raw = text.encode("latin-1")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        problems.append(Problem("not_utf8", offset, "text is not UTF-8, read as GB 18030"))
        return raw.decode("gb18030", errors="replace")


def read_readings(items: Sequence[Item], problems: list[Problem]) -> tuple[ReadingValue, ...]:
    """One ReadingValue per code that has a usable number or a flag, in order of first appearance."""
    groups: dict[str, _Group] = {}
    last: _Group | None = None
    for item in items:
        code, dash, suffix = item.name.rpartition("-")
        if not dash or not code:
            if item.name == "Flag" and last is not None and last.flag is None:
                text = f"Flag stands without a code, taken for {last.code} before it"
                problems.append(Problem("flag_without_code", item.offset, text, Severity.DOUBT))
                last.flag = item.value
            continue
        group = groups.get(code)
        if group is None:
            group = groups[code] = _Group(code, item.offset)
        elif group is not last:
            problems.append(Problem("group_split", item.offset, f"the items of {code} do not stand together"))
        last = group
        _put(group, suffix, item, problems)
    readings = tuple(_reading(g) for g in groups.values() if g.values or g.flag)
    _report_codes(readings, groups, problems)
    return _one_per_factor(readings, groups, problems)


def _put(group: _Group, suffix: str, item: Item, problems: list[Problem]) -> None:
    slot = SLOTS.get(suffix)
    if slot is None:
        known = _SLOTS_ANY_CASE.get(suffix.lower())
        if known is None:
            group.extra.append((suffix, item.value))
            return
        if known != suffix:
            problems.append(Problem("wrong_case", item.offset, f"{item.name} is written for -{known}"))
        slot = SLOTS[known]
    if slot == FLAG:
        _put_flag(group, item, problems)
        return
    if slot in group.texts:
        same = group.texts[slot] == item.value
        text = f"{item.name} stands twice, {'with the same value' if same else 'the first counts'}"
        severity = Severity.NOTE if same else Severity.DOUBT
        problems.append(Problem("repeated_key", item.offset, text, severity))
        return
    group.texts[slot] = item.value
    try:
        group.values[slot] = parse_number(item.value)
    except NotUsable as error:
        problems.append(Problem(error.code, item.offset, f"{item.name} {error}", Severity.DOUBT))
        group.extra.append((suffix, item.value))


def _put_flag(group: _Group, item: Item, problems: list[Problem]) -> None:
    if group.flag is not None:
        severity = Severity.NOTE if group.flag == item.value else Severity.DOUBT
        text = f"{item.name} stands twice, the first counts"
        problems.append(Problem("repeated_key", item.offset, text, severity))
        return
    if len(item.value) > FLAG_LIMIT:
        text = f"{item.name} has {len(item.value)} characters, at most {FLAG_LIMIT} are kept"
        problems.append(Problem("flag_too_long", item.offset, text, Severity.DOUBT))
    elif not item.value:
        problems.append(Problem("flag_empty", item.offset, f"{item.name} is empty"))
    group.flag = item.value[:FLAG_LIMIT]


def _reading(group: _Group) -> ReadingValue:
    value = group.values.get
    return ReadingValue(
        code=group.code,
        factor=standards.canonical_factor(group.code),
        avg=value("avg"),
        min=value("min"),
        max=value("max"),
        converted_avg=value("converted_avg"),
        converted_min=value("converted_min"),
        converted_max=value("converted_max"),
        total=value("total"),
        flag=group.flag or "",
        extra=tuple(group.extra),
    )


def _report_codes(
    readings: Iterable[ReadingValue], groups: dict[str, _Group], problems: list[Problem]
) -> None:
    for reading in readings:
        offset = groups[reading.code].offset
        if reading.factor is None:
            if _STANDARD_CODE.fullmatch(reading.code) is None:
                problems.append(Problem("private_code", offset, f"{reading.code[:30]} is no standard code"))
            continue
        factor = standards.factor(reading.factor)
        for slot in _PLAUSIBLE_SLOTS:
            value = getattr(reading, slot)
            if value is not None and not factor.plausible_min <= value <= factor.plausible_max:
                span = f"{factor.plausible_min} to {factor.plausible_max} {factor.unit}".rstrip()
                text = f"{reading.code}: {value} is outside {span}"
                problems.append(Problem("value_implausible", offset, text, Severity.DOUBT))
        low, mean, high = reading.min, reading.avg, reading.max
        if low is not None and high is not None and not (low <= (low if mean is None else mean) <= high):
            text = f"{reading.code}: Min {low}, Avg {mean}, Max {high} are not in order"
            problems.append(Problem("min_avg_max", offset, text, Severity.DOUBT))


def _one_per_factor(
    readings: tuple[ReadingValue, ...], groups: dict[str, _Group], problems: list[Problem]
) -> tuple[ReadingValue, ...]:
    """Two codes of one factor (`02` and `a21026`): the first is the factor, the other stays a code."""
    seen: dict[FactorCode, str] = {}
    kept = []
    for reading in readings:
        factor = reading.factor
        if factor is not None and seen.setdefault(factor, reading.code) != reading.code:
            text = f"{reading.code} and {seen[factor]} are both {factor}; the first counts"
            problems.append(Problem("factor_twice", groups[reading.code].offset, text, Severity.DOUBT))
            reading = replace(reading, factor=None)
        kept.append(reading)
    return tuple(kept)
