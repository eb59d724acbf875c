"""The state machine of a clue: data in data/*.toml, one pure function."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from domain.errors import DataFileError
from enforcement.errors import WrongMove
from enforcement.rights import Right

DATA = Path(__file__).parent / "data"
STRICT = ConfigDict(extra="forbid", populate_by_name=True)


class State(StrEnum):
    NEW = "new"  # 待研判
    WEAK = "weak"  # 待确认: statistics alone, a person must say whether it is a clue
    WATCHING = "watching"  # 观察
    DISMISSED = "dismissed"  # 已排除
    CASE_OPEN = "case_open"  # 已立案
    WITHDRAWN = "withdrawn"  # later data no longer shows it; no person was involved


class Action(StrEnum):
    DISMISS = "dismiss"
    WATCH = "watch"
    OPEN_CASE = "open_case"
    REOPEN = "reopen"


#: States in which a clue still waits for somebody.
WAITING = (State.NEW, State.WEAK, State.WATCHING)


@dataclass(frozen=True, config=STRICT)
class Reason:
    id: str
    zh: str
    en: str
    comment: bool = False


@dataclass(frozen=True, config=STRICT)
class Transition:
    action: Action
    to: State
    right: Right
    sources: tuple[State, ...] = Field(alias="from")
    reason: bool = False
    comment: bool = False


@cache
def reasons() -> Mapping[str, Reason]:
    """Reasons for dismissal by id, in the order they are shown."""
    entries: tuple[Reason, ...] = _load("reasons.toml", "reason", tuple[Reason, ...])
    return MappingProxyType({r.id: r for r in entries})


@cache
def transitions() -> Mapping[Action, Transition]:
    entries: tuple[Transition, ...] = _load("transitions.toml", "transition", tuple[Transition, ...])
    return MappingProxyType({t.action: t for t in entries})


def move(state: State, action: Action, reason: str | None, comment: str) -> Transition:
    """The transition an action makes from a state. Raises WrongMove naming what is missing."""
    transition = transitions()[action]
    if state not in transition.sources:
        raise WrongMove(f"a clue that is {state} cannot be moved by {action}")
    if transition.reason:
        known = reasons().get(reason or "")
        if known is None:
            raise WrongMove(f"{action} needs a reason of {', '.join(reasons())}")
        if known.comment and not comment.strip():
            raise WrongMove(f"the reason {known.id} needs a comment")
    elif reason is not None:
        raise WrongMove(f"{action} takes no reason")
    if transition.comment and not comment.strip():
        raise WrongMove(f"{action} needs a comment")
    return transition


def _load(name: str, table: str, kind: Any) -> Any:
    path = DATA / name
    try:
        return TypeAdapter(kind).validate_python(tomllib.loads(path.read_text(encoding="utf-8"))[table])
    except (OSError, tomllib.TOMLDecodeError, KeyError, ValidationError) as error:
        raise DataFileError(f"{path.name}: {error}") from error
