"""The bar at the foot of the evidence page: dismiss, watch, open a case, undo."""

from __future__ import annotations

import math

import streamlit as st

from enforcement import service
from enforcement.errors import ClueChanged, EnforcementError
from enforcement.rights import Actor, Right
from enforcement.service import UNDO_SECONDS, ClueDetail
from enforcement.states import Action, State, reasons, transitions
from ui import parts, session, shown
from ui.words import Words


def bar(detail: ClueDetail, person: Actor, words: Words) -> None:
    """Always in sight; keys D, W, E, Z. The service decides again what is allowed."""
    with st.bottom, st.container(horizontal=True, vertical_alignment="center", gap="small"):
        message = st.session_state.pop("disposition_error", None)
        if isinstance(message, EnforcementError):
            parts.refusal(message, words)
        undoable = service.undoable(detail.events, person.login, session.now())
        if undoable is not None:
            _undo(detail, person, words)
        state = State(detail.clue.state)
        if not person.may(Right.DISPOSE):
            parts.note(words("dispose.read_only"))
            return
        possible = [a for a, t in transitions().items() if state in t.sources and person.may(t.right)]
        if Action.DISMISS in possible and st.button(
            words("action.dismiss"), key="dismiss", shortcut="D", icon=":material/do_not_disturb_on:"
        ):
            _dismiss(detail, person, words)
        if Action.WATCH in possible and st.button(
            words("action.watch"), key="watch", shortcut="W", icon=":material/visibility:"
        ):
            _act(detail, person, Action.WATCH)
            st.rerun()
        if Action.OPEN_CASE in possible and st.button(
            words("action.open_case"), key="open_case", shortcut="E", type="primary", icon=":material/gavel:"
        ):
            _open_case(detail, person, words)
        if not possible and undoable is None:
            parts.note(words("dispose.settled", state=words.term("state", state)))


def _undo(detail: ClueDetail, person: Actor, words: Words) -> None:
    last = detail.events[-1]
    act = words.term("action", last.action.removeprefix("clue."))
    parts.note(words("dispose.done", name=person.name, time=shown.moment(last.at), action=act))
    left = math.ceil(UNDO_SECONDS - (session.now() - last.at).total_seconds())
    if st.button(
        words("dispose.undo_left", n=left), key="undo", shortcut="Z", type="tertiary", icon=":material/undo:"
    ):
        try:
            with session.database() as connection:
                service.undo(connection, person, detail.clue.clue_id, session.now())
        except EnforcementError as error:
            st.session_state["disposition_error"] = error
        st.rerun()


def _act(
    detail: ClueDetail, person: Actor, action: Action, reason: str | None = None, comment: str = ""
) -> EnforcementError | None:
    """Do it; a refusal is returned and kept for the bar, which shows it after the reload."""
    try:
        with session.database() as connection:
            service.dispose(
                connection, person, detail.clue.clue_id, detail.clue.version, action,
                reason=reason, comment=comment, now=session.now(),
            )  # fmt: skip
    except EnforcementError as error:
        st.session_state["disposition_error"] = error
        return error
    return None


def _dismiss(detail: ClueDetail, person: Actor, words: Words) -> None:
    @st.dialog(words("dispose.title"), width="medium")
    def dialog() -> None:
        numbered = {r.id: f"{i}  {words.pick(r.zh, r.en)}" for i, r in enumerate(reasons().values(), start=1)}
        reason = st.radio(
            words("dispose.reason"), list(numbered), format_func=numbered.__getitem__, index=None,
            key="reason", horizontal=True,
        )  # fmt: skip
        comment = st.text_area(
            words("dispose.comment"), key="comment", placeholder=words("dispose.comment_hint"), height=88
        )
        parts.note(words("dispose.comment_needed"))
        lacks = reason is None or (reasons()[reason].comment and not comment.strip())
        if st.button(
            words("dispose.confirm"),
            key="confirm_dismiss",
            type="primary",
            disabled=lacks,
            shortcut="Ctrl+Enter",
        ):
            error = _act(detail, person, Action.DISMISS, reason, comment)
            if error is None or isinstance(error, ClueChanged):
                st.rerun()

    dialog()


def _open_case(detail: ClueDetail, person: Actor, words: Words) -> None:
    @st.dialog(words("dispose.case_title"), width="medium")
    def dialog() -> None:
        parts.note(words("dispose.case_note"))
        comment = st.text_area(
            words("dispose.comment"), key="case_comment", placeholder=words("dispose.comment_hint"), height=88
        )
        if st.button(
            words("dispose.case_confirm"), key="confirm_case", type="primary", shortcut="Ctrl+Enter"
        ):
            _act(detail, person, Action.OPEN_CASE, comment=comment)
            st.rerun()

    dialog()
