"""历史: what was decided, by whom, when and why."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl
import streamlit as st

from enforcement import service
from enforcement.states import reasons
from storage.clues import DecisionRow
from ui import parts, session, shown, theme
from ui.navigation import open_evidence
from ui.words import Words

#: Five lines of a sentence; the column is narrower than in the queue.
ROW_HEIGHT = 104


def show() -> None:
    person, words = session.require_actor(), session.texts()
    with session.database() as connection:
        every = service.history(connection, person)
    if not every:
        parts.empty(words("history.empty"), words("history.empty_next"))
        return
    rows = _filtered(every, words)
    count, export = st.columns([6, 1.2], vertical_alignment="center")
    with count:
        parts.note(words("history.shown", n=len(rows)))
    table = table_of(rows, words)
    export.download_button(
        words("app.export"), shown.csv_bytes(table), file_name="mingcha-history.csv", mime="text/csv",
        icon=":material/download:", width="stretch", disabled=not rows, on_click="ignore",
    )  # fmt: skip
    config = st.column_config
    widths = {"when": 92, "who": 70, "what": 78, "site": 165, "grade": 50, "sentence": 320, "reason": 100,
              "comment": 165, "move": 100}  # fmt: skip
    names = dict(zip(widths, table.columns, strict=True))
    shown_table = table.with_columns(
        # the date above the time of day, and no break inside either
        pl.col(names["when"]).str.replace(" ", "\n"),
        pl.col(names["sentence"]).map_elements(shown.unbroken, return_dtype=pl.String),
    )
    st.dataframe(
        shown_table.to_pandas().style.map(theme.grade_style, subset=[names["grade"]]),
        hide_index=True,
        row_height=ROW_HEIGHT,
        height=min(len(rows), 7) * ROW_HEIGHT + 40,
        key="history_table",
        column_config={
            name: (
                config.ButtonColumn(
                    name, width=widths[key], type="tertiary", alignment="left", key="history_click"
                )
                if key == "site"
                else config.TextColumn(name, width=widths[key])
            )
            for key, name in names.items()
        },
    )
    click = st.session_state.get("history_click")
    if click is not None:
        open_evidence(rows[int(click["row"])].clue_id, words)


def table_of(rows: Sequence[DecisionRow], words: Words) -> pl.DataFrame:
    """The history as shown and exported, newest first."""
    return pl.DataFrame(
        {
            words("history.col_when"): [shown.full_moment(r.at) for r in rows],
            words("history.col_who"): [r.name for r in rows],
            words("history.col_what"): [decision(r.action, words) for r in rows],
            words("history.col_site"): [r.site_name for r in rows],
            words("history.col_grade"): [r.grade for r in rows],
            words("history.col_sentence"): [words.pick(r.sentence_zh, r.sentence_en) for r in rows],
            words("history.col_reason"): [reason(r.detail.get("reason"), words) for r in rows],
            words("history.col_comment"): [str(r.detail.get("comment") or "") for r in rows],
            words("history.col_move"): [move(r.detail, words) for r in rows],
        },
        schema_overrides={words("history.col_comment"): pl.String},
    )


def decision(action: str, words: Words) -> str:
    """`clue.dismiss` in words."""
    return words.term("action", action.removeprefix("clue."))


def reason(reason_id: object, words: Words) -> str:
    known = reasons().get(str(reason_id)) if reason_id else None
    return words.pick(known.zh, known.en) if known else ""


def move(detail: dict[str, object], words: Words) -> str:
    return f"{words.term('state', str(detail.get('from')))} → {words.term('state', str(detail.get('to')))}"


def _filtered(rows: Sequence[DecisionRow], words: Words) -> list[DecisionRow]:
    search, what, who = st.columns([2, 2, 2])
    text = search.text_input(
        words("app.search"), key="hq", placeholder=words("app.search"), icon=":material/search:",
        label_visibility="collapsed", bind="query-params",
    )  # fmt: skip
    actions = what.multiselect(
        words("history.what"), sorted({r.action for r in rows}), key="what",
        placeholder=words("history.what"),
        label_visibility="collapsed", format_func=lambda a: decision(a, words), bind="query-params",
    )  # fmt: skip
    names = who.multiselect(
        words("history.who"), sorted({r.name for r in rows}), key="who", placeholder=words("history.who"),
        label_visibility="collapsed", bind="query-params",
    )  # fmt: skip
    wanted = (text or "").strip().lower()
    return [
        r
        for r in rows
        if (not actions or r.action in actions)
        and (not names or r.name in names)
        and wanted in f"{r.site_name} {r.site_id} {r.sentence_zh} {r.sentence_en}".lower()
    ]
