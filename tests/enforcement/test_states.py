"""The state machine says what may follow what, and what must be given."""

from __future__ import annotations

import pytest

from enforcement.errors import WrongMove
from enforcement.states import WAITING, Action, State, move, reasons, transitions


def test_every_action_has_its_transition() -> None:
    assert set(transitions()) == set(Action)


def test_a_clue_is_dismissed_only_with_a_reason_of_the_list() -> None:
    assert move(State.NEW, Action.DISMISS, "line_fault", "").to is State.DISMISSED
    for reason in (None, "", "because"):
        with pytest.raises(WrongMove, match="needs a reason"):
            move(State.NEW, Action.DISMISS, reason, "")


def test_a_reason_that_explains_nothing_needs_a_comment() -> None:
    for reason in reasons().values():
        if reason.comment:
            with pytest.raises(WrongMove, match="comment"):
                move(State.NEW, Action.DISMISS, reason.id, "  ")
        assert move(State.NEW, Action.DISMISS, reason.id, "seen").to is State.DISMISSED


def test_a_case_is_opened_from_every_waiting_state_and_no_other() -> None:
    for state in State:
        if state in WAITING:
            assert move(state, Action.OPEN_CASE, None, "").to is State.CASE_OPEN
        else:
            with pytest.raises(WrongMove):
                move(state, Action.OPEN_CASE, None, "")


def test_a_reason_is_not_taken_where_none_belongs() -> None:
    with pytest.raises(WrongMove, match="takes no reason"):
        move(State.NEW, Action.WATCH, "line_fault", "")
