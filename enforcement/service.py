"""What people and the detectors do with clues. Every act checks rights, locks, and writes one audit event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.findings import Family, Grade
from enforcement import people as accounts
from enforcement.clues import Episode, FoundInterval, merge, priority, repeats
from enforcement.errors import ClueChanged, NoSuchClue, WrongMove
from enforcement.rights import Actor, Right
from enforcement.states import Action, State, move
from storage import audit
from storage import clues as clue_rows
from storage.audit import AuditEvent
from storage.clues import ClueRow, DecisionRow, FindingRow, LinkRow, QueueRow
from storage.connection import Connection

#: How long an act may be taken back by the person who did it.
UNDO_SECONDS = 60


@dataclass(frozen=True)
class Opened:
    """What a run of `open_clues` did. `waiting`: weak findings that open nothing alone."""

    opened: int
    grown: int
    waiting: int


@dataclass(frozen=True)
class Filters:
    """What the queue shows; an empty tuple means every value."""

    states: tuple[str, ...] = ()
    grades: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    search: str = ""


EVERYTHING = Filters()


@dataclass(frozen=True)
class ClueDetail:
    """One clue with its findings (leading first) and everything that was done to it."""

    clue: ClueRow
    findings: tuple[FindingRow, ...]
    events: tuple[AuditEvent, ...]


def open_clues(connection: Connection, now: datetime) -> Opened:
    """Turn findings into clues after a detection run. Running it again changes nothing."""
    with connection.transaction():
        clue_rows.lock_opening(connection)
        loose = clue_rows.loose_findings(connection)
        sites = sorted({row.site_id for row in loose})
        standing, dismissed = _standing(clue_rows.linked_findings(connection, sites))
        scores = clue_rows.scores(connection, sites)
        fresh: list[FoundInterval] = []
        for finding in map(_found, loose):
            said_before = next((d for d in dismissed if repeats(finding, d)), None)
            if said_before is not None and said_before.clue_id is not None:
                clue_rows.link(connection, said_before.clue_id, [finding.finding_id])
            else:
                fresh.append(finding)
        opened = grown = waiting = 0
        for episode in merge(fresh, standing):
            rank = priority(episode, scores.get(episode.site_id, 0.0))
            ids = [f.finding_id for f in episode.findings]
            if episode.clue_id is not None:
                clue_rows.grow_clue(connection, episode.clue_id, episode.start, episode.end, rank)
                clue_id, action = episode.clue_id, "clue.grown"
                grown += 1
            elif episode.opens_a_clue:
                clue_id = clue_rows.insert_clue(
                    connection, episode.site_id, episode.start, episode.end, rank, now
                )
                action = "clue.opened"
                opened += 1
            else:
                waiting += len(ids)
                continue
            clue_rows.link(connection, clue_id, ids)
            audit.append(
                connection, at=now, actor=accounts.SYSTEM.login, role="system", action=action,
                subject=subject(clue_id), detail={"site": episode.site_id, "findings": sorted(ids)},
            )  # fmt: skip
    return Opened(opened, grown, waiting)


def queue(
    connection: Connection, actor: Actor, filters: Filters = EVERYTHING, limit: int = 500
) -> list[QueueRow]:
    """The clues a person may see, most pressing first. Raises NotAllowed."""
    person = _allowed(connection, actor, Right.READ)
    return clue_rows.queue(
        connection,
        scope=person.region_patterns,
        states=filters.states,
        grades=filters.grades,
        families=filters.families,
        regions=filters.regions,
        search=filters.search,
        limit=limit,
    )


def detail(connection: Connection, actor: Actor, clue_id: int) -> ClueDetail:
    """Raises NotAllowed, NoSuchClue (also when it lies outside the person's regions)."""
    person = _allowed(connection, actor, Right.READ)
    return ClueDetail(
        _clue(connection, person, clue_id),
        tuple(clue_rows.findings_of(connection, clue_id)),
        tuple(audit.events_of(connection, subject(clue_id))),
    )


def dispose(
    connection: Connection,
    actor: Actor,
    clue_id: int,
    version: int,
    action: Action,
    *,
    reason: str | None = None,
    comment: str = "",
    now: datetime,
) -> State:
    """Move a clue and write who did it, when and why; the new state.

    Raises NotAllowed, NoSuchClue, WrongMove, and ClueChanged when `version` is not the clue's any more.
    """
    with connection.transaction():
        person = accounts.current(connection, actor.login)
        clue = _clue(connection, person, clue_id, lock=True)
        transition = move(State(clue.state), action, reason, comment)
        role = person.role_for(transition.right)
        _same_version(clue, version)
        clue_rows.set_state(connection, clue_id, transition.to)
        audit.append(
            connection, at=now, actor=person.login, role=role, action=f"clue.{action}",
            subject=subject(clue_id),
            detail={
                "from": clue.state, "to": transition.to.value, "reason": reason,
                "comment": comment.strip(), "version": version,
            },
        )  # fmt: skip
    return transition.to


def undo(connection: Connection, actor: Actor, clue_id: int, now: datetime) -> State:
    """Take back one's own last act within UNDO_SECONDS; both acts stay in the chain.

    Raises WrongMove when there is nothing to take back (any more), NotAllowed, NoSuchClue.
    """
    with connection.transaction():
        person = accounts.current(connection, actor.login)
        role = person.role_for(Right.DISPOSE)
        clue = _clue(connection, person, clue_id, lock=True)
        act = undoable(audit.events_of(connection, subject(clue_id)), person.login, now)
        if act is None:
            raise WrongMove(f"nothing to undo: only one's own last act, within {UNDO_SECONDS} s")
        back = State(act.detail["from"])
        clue_rows.set_state(connection, clue_id, back)
        audit.append(
            connection, at=now, actor=person.login, role=role, action="clue.undo", subject=subject(clue_id),
            detail={"from": clue.state, "to": back.value, "undoes": act.seq},
        )  # fmt: skip
    return back


def undoable(events: Sequence[AuditEvent], login: str, now: datetime) -> AuditEvent | None:
    """The last act on a clue if `login` did it less than UNDO_SECONDS ago and it was no undo."""
    if not events:
        return None
    last = events[-1]
    moved = "from" in last.detail and last.action != "clue.undo"
    recent = now - last.at <= timedelta(seconds=UNDO_SECONDS)
    return last if moved and recent and last.actor == login else None


def history(connection: Connection, actor: Actor, limit: int = 1_000) -> list[DecisionRow]:
    """What people decided in the person's regions, newest first. Raises NotAllowed."""
    person = _allowed(connection, actor, Right.READ)
    return clue_rows.decisions(connection, person.region_patterns, limit)


def subject(clue_id: int) -> str:
    """How the audit chain names a clue."""
    return f"clue:{clue_id}"


def _allowed(connection: Connection, actor: Actor, right: Right) -> Actor:
    # read again on every act: a session may be older than a change of rights
    person = accounts.current(connection, actor.login)
    person.role_for(right)
    return person


def _clue(connection: Connection, person: Actor, clue_id: int, *, lock: bool = False) -> ClueRow:
    clue = clue_rows.clue(connection, clue_id, person.region_patterns, lock=lock)
    if clue is None:
        raise NoSuchClue(f"there is no clue {clue_id} in your regions")
    return clue


def _same_version(clue: ClueRow, version: int) -> None:
    if clue.version != version:
        raise ClueChanged(f"clue {clue.clue_id} has changed since you opened it; look at it again")


def _found(row: LinkRow) -> FoundInterval:
    return FoundInterval(
        row.finding_id, row.site_id, row.rule, row.subject, Family(row.family), Grade(row.grade),
        row.starts_at, row.ends_at,
    )  # fmt: skip


def _standing(rows: Sequence[LinkRow]) -> tuple[list[Episode], list[Episode]]:
    """Clues as episodes: those that may grow, and those dismissed."""
    by_clue: dict[int, list[LinkRow]] = defaultdict(list)
    for row in rows:
        if row.clue_id is not None:
            by_clue[row.clue_id].append(row)
    growing: list[Episode] = []
    dismissed: list[Episode] = []
    for clue_id, members in sorted(by_clue.items()):
        findings = tuple(sorted(map(_found, members), key=lambda f: f.finding_id))
        episode = Episode(
            findings[0].site_id, min(f.start for f in findings), max(f.end for f in findings), findings,
            clue_id,
        )  # fmt: skip
        (dismissed if members[0].state == State.DISMISSED else growing).append(episode)
    return growing, dismissed
