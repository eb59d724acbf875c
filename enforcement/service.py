"""What people and the detectors do with clues. Every act checks rights, locks, and writes one audit event."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.findings import Family, Grade
from enforcement import people as accounts
from enforcement.clues import Episode, FoundInterval, merge, priority, repeats
from enforcement.errors import ClueChanged, NoSuchClue, WrongMove
from enforcement.rights import Actor, Right
from enforcement.states import WAITING, Action, State, move
from storage import audit
from storage import clues as clue_rows
from storage import people as person_rows
from storage.audit import AuditEvent
from storage.clues import ClueRow, DecisionRow, FindingRow, LinkRow, QueueRow
from storage.connection import Connection

#: How long an act may be taken back by the person who did it.
UNDO_SECONDS = 60


@dataclass(frozen=True)
class Opened:
    """What a run of `open_clues` did. `weak`: of the opened, those a person must confirm."""

    opened: int
    grown: int
    withdrawn: int
    weak: int


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
    """One clue with its findings (leading first), everything done to it, and who (login -> name)."""

    clue: ClueRow
    findings: tuple[FindingRow, ...]
    events: tuple[AuditEvent, ...]
    names: Mapping[str, str]


def open_clues(connection: Connection, now: datetime) -> Opened:
    """Bring the clues in line with the findings after a detection run. Running it again changes nothing.

    New findings grow the clue they lie near or open one; a clue whose findings were all withdrawn by later
    runs leaves the queue, and comes back if they do. What people decided is never changed.
    """
    with connection.transaction():
        clue_rows.lock_opening(connection)
        sites = clue_rows.sites_to_settle(connection)
        scores = clue_rows.scores(connection, sites)
        before = {c.clue_id: c for c in clue_rows.clues_of(connection, sites)}
        weak, opened = _attach(connection, before, sites, scores, now)
        members = _by_clue(clue_rows.linked_findings(connection, sites))
        grown = withdrawn = 0
        for clue in before.values():
            change = _settle(connection, clue, members[clue.clue_id], scores.get(clue.site_id, 0.0), now)
            grown += change == "clue.grown"
            withdrawn += change == "clue.withdrawn"
    return Opened(opened, grown, withdrawn, weak)


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
    clue = _clue(connection, person, clue_id)
    events = audit.events_of(connection, subject(clue_id))
    names = person_rows.names(connection, sorted({e.actor for e in events}))
    return ClueDetail(clue, tuple(clue_rows.findings_of(connection, clue_id)), tuple(events), names)


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


def _attach(
    connection: Connection,
    before: Mapping[int, ClueRow],
    sites: Sequence[str],
    scores: Mapping[str, float],
    now: datetime,
) -> tuple[int, int]:
    """Give every loose finding its clue, opening new ones; how many of those are weak, how many there are."""
    dismissed: list[Episode] = []
    standing: list[Episode] = []
    for clue_id, rows in _by_clue(clue_rows.linked_findings(connection, sites)).items():
        settled = before[clue_id].state == State.DISMISSED
        (dismissed if settled else standing).append(_episode(rows, clue_id))
    fresh: list[FoundInterval] = []
    for finding in map(_found, clue_rows.loose_findings(connection)):
        said_before = next((d.clue_id for d in dismissed if repeats(finding, d)), None)
        if said_before is None:
            fresh.append(finding)
        else:
            clue_rows.link(connection, said_before, {finding.finding_id: finding.weight})
    weak = opened = 0
    for episode in merge(fresh, standing):
        weights = {f.finding_id: f.weight for f in episode.findings}
        if episode.clue_id is not None:
            clue_rows.link(connection, episode.clue_id, weights)
            continue
        rank = priority(episode, scores.get(episode.site_id, 0.0))
        state = _waiting_state(episode)
        clue_id = clue_rows.insert_clue(
            connection, episode.site_id, state, episode.start, episode.end, rank, now
        )
        clue_rows.link(connection, clue_id, weights)
        _note(connection, clue_id, "clue.opened", now, {"findings": sorted(weights), "to": state})
        opened += 1
        weak += state is State.WEAK
    return weak, opened


def _waiting_state(episode: Episode) -> State:
    return State.NEW if episode.opens_a_clue else State.WEAK


def _settle(
    connection: Connection, clue: ClueRow, members: Sequence[LinkRow], score: float, now: datetime
) -> str | None:
    """Bring one clue in line with those of its findings that still stand; the act written down, if any."""
    state = State(clue.state)
    if state is State.DISMISSED:
        return None
    live = [row for row in members if not row.withdrawn]
    if not live:
        if state not in WAITING:
            return None
        clue_rows.set_state(connection, clue.clue_id, State.WITHDRAWN)
        _note(connection, clue.clue_id, "clue.withdrawn", now, {"from": state, "to": State.WITHDRAWN})
        return "clue.withdrawn"
    episode = _episode(live, clue.clue_id)
    rank = priority(episode, score)
    waiting = _waiting_state(episode)
    if state is State.WITHDRAWN or (state is State.WEAK and waiting is State.NEW):
        act = "clue.returned" if state is State.WITHDRAWN else "clue.strengthened"
        clue_rows.set_state(connection, clue.clue_id, waiting)
        _note(connection, clue.clue_id, act, now, {"from": state, "to": waiting})
    if (episode.start, episode.end) == (clue.starts_at, clue.ends_at):
        clue_rows.set_priority(connection, clue.clue_id, rank)
        return None
    clue_rows.grow_clue(connection, clue.clue_id, episode.start, episode.end, rank)
    _note(connection, clue.clue_id, "clue.grown", now, {"findings": sorted(r.finding_id for r in live)})
    return "clue.grown"


def _note(connection: Connection, clue_id: int, action: str, now: datetime, detail: audit.Detail) -> None:
    audit.append(
        connection, at=now, actor=accounts.SYSTEM.login, role="system", action=action,
        subject=subject(clue_id), detail=detail,
    )  # fmt: skip


def _by_clue(rows: Sequence[LinkRow]) -> dict[int, list[LinkRow]]:
    by_clue: dict[int, list[LinkRow]] = defaultdict(list)
    for row in rows:
        if row.clue_id is not None:
            by_clue[row.clue_id].append(row)
    return by_clue


def _episode(rows: Sequence[LinkRow], clue_id: int) -> Episode:
    findings = tuple(sorted(map(_found, rows), key=lambda f: f.finding_id))
    return Episode(
        findings[0].site_id, min(f.start for f in findings), max(f.end for f in findings), findings, clue_id
    )


def _found(row: LinkRow) -> FoundInterval:
    return FoundInterval(
        row.finding_id, row.site_id, row.rule, row.subject, Family(row.family), Grade(row.grade),
        row.starts_at, row.ends_at,
    )  # fmt: skip
