"""企业: every plant in the person's regions, those with clues first."""

from __future__ import annotations

import polars as pl
import streamlit as st

from enforcement import evidence
from ui import parts, session, shown


def show() -> None:
    person, words = session.require_actor(), session.texts()
    with session.database() as connection:
        rows = evidence.sites(connection, person)
    if not rows:
        parts.empty(words("sites.empty"), words("sites.empty_next"))
        return
    text = st.text_input(
        words("app.search"), key="sq", placeholder=words("app.search"), icon=":material/search:",
        label_visibility="collapsed", bind="query-params", width=420,
    )  # fmt: skip
    wanted = (text or "").strip().lower()
    rows = [r for r in rows if wanted in f"{r.site_id} {r.name}".lower()]
    table = pl.DataFrame(
        {
            words("sites.col_site"): [r.name for r in rows],
            words("sites.col_industry"): [r.industry for r in rows],
            words("sites.col_region"): [r.region_code for r in rows],
            words("sites.col_grade"): [words.term("performance", r.grade) for r in rows],
            words("sites.col_outlets"): [r.outlets for r in rows],
            words("sites.col_clues"): [r.clues for r in rows],
        }
    )
    count, export = st.columns([6, 1.2], vertical_alignment="center")
    with count:
        parts.note(words("sites.shown", n=len(rows)))
    export.download_button(
        words("app.export"), shown.csv_bytes(table), file_name="mingcha-plants.csv", mime="text/csv",
        icon=":material/download:", width="stretch", on_click="ignore",
    )  # fmt: skip
    st.dataframe(
        table, hide_index=True, row_height=36, height=min(len(rows), 16) * 36 + 40, key="sites_table"
    )
