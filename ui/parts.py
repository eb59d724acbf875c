"""Pieces several pages use: top bar, empty states, a table's export, refusals in words."""

from __future__ import annotations

import html
from datetime import datetime, timedelta

import streamlit as st

from enforcement import evidence
from enforcement.errors import EnforcementError
from enforcement.rights import Actor
from ui import session, shown
from ui.words import LANGUAGES, Words

#: Older than this the light in the top bar turns amber.
STALE = timedelta(minutes=30)


def top_bar(title: str, person: Actor, words: Words) -> None:
    """Title, how fresh the data is, language, person."""
    with st.container(key="top_bar"):
        heading, fresh, lang, who = st.columns([3, 4, 1.9, 1.6], vertical_alignment="center")
        heading.html(f'<div class="mc-title">{html.escape(title)}</div>')
        fresh.html(f'<div class="mc-right mc-note">{_freshness(words)}</div>')
        with lang:
            language_switch(words)
        with who.popover(person.name, icon=":material/person:", width="stretch"):
            roles = "、".join(words.term("role", role) for role in person.roles)
            st.html(f"<div>{html.escape(words('app.signed_in_as', name=person.name, role=roles))}</div>")
            st.button(words("app.sign_out"), key="sign_out", on_click=session.sign_out, width="stretch")


def language_switch(words: Words) -> None:
    """Kept in the address by its code, so that a link keeps its language."""
    if st.session_state.get("lang") not in LANGUAGES:
        st.session_state["lang"] = words.language
    st.segmented_control(
        words("app.language"),
        list(LANGUAGES),
        required=True,
        format_func=lambda code: LANGUAGES[code],
        key="lang",
        on_change=session.keep_language,
        label_visibility="collapsed",
        width="stretch",
    )


def empty(title: str, next_step: str) -> None:
    st.html(f'<div class="mc-empty"><b>{html.escape(title)}</b>{html.escape(next_step)}</div>')


def refusal(error: EnforcementError, words: Words) -> None:
    st.error(words.term("error", error.code), icon=":material/block:")


def note(text: str) -> None:
    st.html(f'<div class="mc-note">{html.escape(text)}</div>')


@st.cache_data(ttl=5, show_spinner=False)
def _newest() -> datetime | None:
    with session.database() as connection:
        return evidence.freshness(connection)


def _freshness(words: Words) -> str:
    newest = _newest()
    if newest is None:
        text, late = words("app.no_data"), True
    else:
        behind = session.now() - newest
        late = behind > STALE
        text = (
            words("app.stale", time=shown.moment(newest), age=shown.age(behind, words))
            if late
            else words("app.fresh", time=shown.moment(newest))
        )
    return f'<span class="mc-light{" mc-late" if late else ""}"></span>{html.escape(text)}'
