"""待办: one row per clue, the most pressing first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl
import streamlit as st

from domain.findings import Family, Grade
from enforcement import evidence, service
from enforcement.rights import Actor
from enforcement.states import WAITING, State
from storage.clues import QueueRow
from ui import parts, session, shown, theme
from ui.navigation import open_evidence
from ui.words import Words

#: Three lines of a sentence; Streamlit wraps text in rows higher than 4 rem.
ROW_HEIGHT = 66


def show() -> None:
    person, words = session.require_actor(), session.texts()
    filters = _filters(person, words)
    with session.database() as connection:
        rows = service.queue(connection, person, filters)
        waiting = service.queue(connection, person)
        pictures = _pictures(tuple((r.clue_id, r.version) for r in rows), rows)
    st.session_state["order"] = [row.clue_id for row in rows]
    _summary(waiting, rows, words)
    if not rows:
        narrowed = bool(waiting) or filters != service.EVERYTHING
        kind = "nothing_found" if narrowed else "empty"
        parts.empty(words.term("queue", kind), words.term("queue", f"{kind}_next"))
        return
    clicked = _table(rows, pictures, words)
    if clicked is not None:
        open_evidence(rows[clicked].clue_id, words)


def table_of(
    rows: Sequence[QueueRow], pictures: dict[int, list[float]], now: datetime, words: Words
) -> pl.DataFrame:
    """What the table shows, one row per clue; the first column is the button to its evidence."""
    return pl.DataFrame(
        {
            "grade": [r.grade for r in rows],
            "site": [r.site_name for r in rows],
            "outlet": [r.outlet_name or r.outlet_id or "" for r in rows],
            "sentence": [shown.unbroken(words.pick(r.sentence_zh, r.sentence_en)) for r in rows],
            "spark": [pictures.get(r.clue_id, []) for r in rows],
            "interval": [
                f"{shown.moment(r.starts_at)}\n{shown.moment(r.ends_at)}".replace(" ", shown.NO_BREAK)
                for r in rows
            ],
            "age": [shown.age(now - r.made_at, words) for r in rows],
            "state": [words.term("state", r.state) for r in rows],
        },
        schema_overrides={"spark": pl.List(pl.Float64)},
    )


def export_of(rows: Sequence[QueueRow], words: Words) -> pl.DataFrame:
    """The same rows for a spreadsheet: ids, full times, score."""
    return pl.DataFrame(
        {
            "clue_id": [r.clue_id for r in rows],
            words("queue.col_grade"): [r.grade for r in rows],
            words("queue.col_site"): [shown.place(r.site_name, r.outlet_name) for r in rows],
            words("queue.col_family"): [
                " ".join(words.term("family", f) for f in sorted(r.families)) for r in rows
            ],
            words("queue.col_sentence"): [words.pick(r.sentence_zh, r.sentence_en) for r in rows],
            words("queue.col_interval"): [
                f"{shown.full_moment(r.starts_at)} – {shown.full_moment(r.ends_at)}" for r in rows
            ],
            words("queue.col_score"): [r.score for r in rows],
            words("queue.col_state"): [words.term("state", r.state) for r in rows],
        }
    )


def _filters(person: Actor, words: Words) -> service.Filters:
    with session.database() as connection:
        regions = evidence.regions(connection, person)
    search, state, grade, family, region = st.columns([2.2, 2, 1.5, 2, 1.5])
    text = search.text_input(
        words("app.search"), key="q", placeholder=words("app.search"), icon=":material/search:",
        label_visibility="collapsed", bind="query-params",
    )  # fmt: skip
    states = _choice(state, "state", [s.value for s in State], words)
    grades = _choice(grade, "grade", [g.value for g in Grade], words)
    families = _choice(family, "family", [f.value for f in Family], words)
    chosen = _choice(region, "region", regions, words)
    return service.Filters(
        states=tuple(states) or tuple(s.value for s in WAITING),
        grades=tuple(grades),
        families=tuple(families),
        regions=tuple(chosen),
        search=text or "",
    )


def _choice(
    column: st.delta_generator.DeltaGenerator, key: str, options: list[str], words: Words
) -> list[str]:
    label = words.term("queue", key)
    return column.multiselect(
        label,
        options,
        key=key,
        placeholder=label,
        label_visibility="collapsed",
        format_func=lambda option: words.term(key, option) if key in ("state", "family") else option,
        bind="query-params",
    )


def _summary(waiting: Sequence[QueueRow], rows: Sequence[QueueRow], words: Words) -> None:
    count = {state: sum(r.state == state for r in waiting) for state in WAITING}
    left, start, export = st.columns([6, 1.5, 1.2], vertical_alignment="center")
    texts = (
        words("queue.waiting", n=count[State.NEW]),
        words("queue.weak", n=count[State.WEAK]),
        words("queue.watching", n=count[State.WATCHING]),
        words("queue.shown", n=len(rows)),
        words("queue.hint"),
    )
    with left:
        parts.note(" · ".join(texts))
    if rows and start.button(
        words("queue.first"), key="first", type="primary", shortcut="Enter", width="stretch"
    ):
        open_evidence(rows[0].clue_id, words)
    export.download_button(
        words("app.export"),
        shown.csv_bytes(export_of(rows, words)),
        file_name="mingcha-queue.csv",
        mime="text/csv",
        icon=":material/download:",
        width="stretch",
        disabled=not rows,
        on_click="ignore",
    )


def _table(rows: Sequence[QueueRow], pictures: dict[int, list[float]], words: Words) -> int | None:
    config = st.column_config
    table = table_of(rows, pictures, session.now(), words)
    st.dataframe(
        table.to_pandas().style.map(theme.grade_style, subset=["grade"]),
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=min(len(rows), 8) * ROW_HEIGHT + 40,
        key="queue_table",
        column_config={
            "grade": config.TextColumn(
                words("queue.col_grade"), width=48, alignment="center", help=words("queue.grade_help")
            ),
            "site": config.ButtonColumn(
                words("queue.col_site"), width=165, type="tertiary", alignment="left", key="queue_click"
            ),
            "outlet": config.TextColumn(words("queue.col_outlet"), width=84),
            "sentence": config.TextColumn(words("queue.col_sentence"), width=484),
            "spark": config.LineChartColumn(
                words("queue.col_spark"), width=110, help=words("queue.spark_help"), color="#4a7fb0"
            ),
            "interval": config.TextColumn(words("queue.col_interval"), width=104),
            "age": config.TextColumn(words("queue.col_age"), width=66),
            "state": config.TextColumn(words("queue.col_state"), width=84),
        },
    )
    click = st.session_state.get("queue_click")
    return None if click is None else int(click["row"])


@st.cache_data(ttl=60, show_spinner=False, max_entries=64)
def _pictures(versions: tuple[tuple[int, int], ...], _rows: Sequence[QueueRow]) -> dict[int, list[float]]:
    # keyed by clue and version: a clue that grew gets a new picture
    with session.database() as connection:
        return evidence.pictures(connection, _rows)
