"""捕集率: a quarter's outlets worst first; on click the lost hours by cause and day."""

from __future__ import annotations

import html
from collections.abc import Sequence

import polars as pl
import streamlit as st

from enforcement import board
from enforcement.board import REQUIRED_RATE, OutletCapture
from enforcement.rights import Actor
from storage.console_reads import CaptureRow
from ui import parts, session, shown, theme
from ui.charts import capture as charts
from ui.words import Words


def show() -> None:
    person, words = session.require_actor(), session.texts()
    with session.database() as connection:
        quarters = board.quarters(connection, person)
    if not quarters:
        parts.empty(words("capture.empty"), words("capture.empty_next"))
        return
    choice, summary, export = st.columns([1.4, 6, 1.2], vertical_alignment="center")
    quarter = choice.selectbox(
        words("capture.quarter"), quarters, key="quarter", bind="query-params", label_visibility="collapsed"
    )
    with session.database() as connection:
        outlets = board.board(connection, person, quarter or quarters[0])
    with summary:
        parts.note(_summary(outlets, words))
    export.download_button(
        words("app.export"), shown.csv_bytes(export_of(outlets, words)), file_name=f"mingcha-{quarter}.csv",
        mime="text/csv", icon=":material/download:", width="stretch", on_click="ignore",
    )  # fmt: skip
    chosen = _table(outlets, words)
    if chosen is not None:
        st.session_state["capture_outlet"] = outlets[chosen].worst.outlet_id
    wanted = st.session_state.get("capture_outlet")
    outlet = next((o for o in outlets if o.worst.outlet_id == wanted), None)
    if outlet is None:
        parts.note(words("capture.choose"))
    else:
        _drill_down(person, outlet, words)


def table_of(outlets: Sequence[OutletCapture], words: Words) -> pl.DataFrame:
    """One row per outlet, rates as text."""
    columns: dict[str, list[object]] = {
        "outlet": [shown.place(o.worst.site_name, o.worst.outlet_name) for o in outlets],
        "bar": [None if o.rate is None else 100 * o.rate for o in outlets],
        "believed": [cell(o.rate, words) for o in outlets],
        "marked": [cell(o.worst.rate, words) for o in outlets],
        "worst": [shown.factor_name(o.worst.factor, words) for o in outlets],
        "lost": [o.worst.invalid_hours + o.worst.unbelieved_hours for o in outlets],
        "left": [left(o.worst, words) for o in outlets],
    }
    for code in factor_codes(outlets):
        by_outlet = [next((f for f in o.factors if f.factor == code), None) for o in outlets]
        columns[code] = ["" if f is None else cell(board.believed(f), words) for f in by_outlet]
    return pl.DataFrame(columns, schema_overrides={"bar": pl.Float64, "lost": pl.Int64})


def export_of(outlets: Sequence[OutletCapture], words: Words) -> pl.DataFrame:
    """Every outlet and factor with its hours and both rates."""
    rows = [f for o in outlets for f in o.factors]
    return pl.DataFrame(
        {
            words("capture.col_site"): [shown.place(r.site_name, r.outlet_name) for r in rows],
            words("capture.factor"): [shown.factor_name(r.factor, words) for r in rows],
            words("capture.quarter"): [r.quarter for r in rows],
            words("capture.col_marked"): [r.rate for r in rows],
            words("capture.col_believed"): [r.rate_believed for r in rows],
            words.term("condition", "valid"): [r.valid_hours for r in rows],
            words.term("condition", "stopped"): [r.stopped_hours for r in rows],
            words("capture.lost"): [r.invalid_hours for r in rows],
            words.term("condition", "unbelieved"): [r.unbelieved_hours for r in rows],
        }
    )


def factor_codes(outlets: Sequence[OutletCapture]) -> list[str]:
    return sorted({f.factor for o in outlets for f in o.factors}, reverse=True)[:6]


def cell(rate: float | None, words: Words) -> str:
    """One rate as the table shows it."""
    return words("capture.never_ran") if rate is None else shown.percent(rate)


def left(row: CaptureRow, words: Words) -> str:
    hours = board.hours_left_to_lose(row)
    if hours is None:
        return words("capture.over")
    return words("capture.left", n=hours) if hours >= 0 else words("capture.cannot")


def _summary(outlets: Sequence[OutletCapture], words: Words) -> str:
    below = [o for o in outlets if o.rate is not None and o.rate < REQUIRED_RATE]
    lost = [o for o in below if (board.hours_left_to_lose(o.worst) or 0) < 0]
    text = words("capture.below", n=len(below))
    return f"{text} · {words('capture.lost_for_good', n=len(lost))}" if lost else text


def _table(outlets: Sequence[OutletCapture], words: Words) -> int | None:
    config = st.column_config
    table = table_of(outlets, words)
    rates = ["believed", "marked", *factor_codes(outlets)]
    st.dataframe(
        table.to_pandas().style.map(theme.rate_style, subset=rates),
        hide_index=True,
        row_height=34,
        height=min(len(outlets), 9) * 34 + 40,
        key="capture_table",
        column_config={
            "outlet": config.ButtonColumn(
                words("capture.col_site"), width=205, type="tertiary", alignment="left", key="capture_click"
            ),
            "bar": config.ProgressColumn(
                words("capture.col_bar"), width=112, format="%.1f%%", min_value=0, max_value=100
            ),
            "believed": config.TextColumn(
                words("capture.col_believed"),
                width=118,
                alignment="right",
                help=words("capture.figures_note"),
            ),
            "marked": config.TextColumn(words("capture.col_marked"), width=74, alignment="right"),
            "worst": config.TextColumn(words("capture.col_worst"), width=92),
            "lost": config.NumberColumn(words("capture.col_lost"), width=66, format="%d h"),
            "left": config.TextColumn(words("capture.col_left"), width=104, alignment="right"),
            **{
                code: config.TextColumn(shown.factor_name(code, words), width=76, alignment="right")
                for code in factor_codes(outlets)
            },
        },
    )
    click = st.session_state.get("capture_click")
    return None if click is None else int(click["row"])


def _drill_down(person: Actor, outlet: OutletCapture, words: Words) -> None:
    heading, choice = st.columns([5, 2], vertical_alignment="center")
    heading.subheader(shown.place(outlet.worst.site_name, outlet.worst.outlet_name), anchor=False)
    codes = [f.factor for f in outlet.factors]
    factor = choice.selectbox(
        words("capture.factor"), codes, index=codes.index(outlet.worst.factor), label_visibility="collapsed",
        format_func=lambda code: shown.factor_name(code, words), key=f"factor_{outlet.worst.outlet_id}",
    )  # fmt: skip
    row = next(f for f in outlet.factors if f.factor == factor)
    with session.database() as connection:
        days = board.days(connection, person, row, session.now())
    parts.note(
        words(
            "capture.figures", calendar=row.calendar_hours, elapsed=row.elapsed_hours,
            stopped=row.stopped_hours, valid=row.valid_hours, invalid=row.invalid_hours,
            unbelieved=row.unbelieved_hours,
        )
    )  # fmt: skip
    colours = theme.palette()
    lost = dict(row.lost_by_cause)
    if row.unbelieved_hours:
        lost["unbelieved"] = row.unbelieved_hours
    by_cause, by_day = st.columns([2, 3], gap="medium")
    with by_cause:
        st.html(f'<div class="mc-head">{html.escape(words("capture.causes"))}</div>')
        st.altair_chart(charts.causes(lost, colours, words), width="stretch")
    with by_day:
        st.html(f'<div class="mc-head">{html.escape(words("capture.calendar"))}</div>')
        st.altair_chart(charts.calendar(days, colours, words), width="stretch")
    parts.note(words("capture.figures_note"))
