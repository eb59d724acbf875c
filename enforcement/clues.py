"""From findings to clues: pure. Findings of one site that lie near each other are one episode.

A and B open a clue alone; C needs two independent families or a person (design.md §4): an episode that rests
on statistics alone waits in the queue as weak until a person decides or the evidence grows. The capture rate
accounts for a whole quarter and would glue all its events together, so it makes clues of its own.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.findings import Family, Grade

#: Findings nearer than this belong to one episode.
EPISODE_GAP = timedelta(hours=72)

#: How much an officer's visit may change, by family; and how far a grade may be believed. Set, not measured.
CONSEQUENCE = {
    Family.FABRICATION: 40.0,
    Family.BYPASS: 40.0,
    Family.CAPTURE_RATE: 25.0,
    Family.DOOR_ACCESS: 15.0,
    Family.COMPLIANCE: 15.0,
}
CONFIDENCE = {Grade.A: 1.0, Grade.B: 0.9, Grade.C: 0.6}


@dataclass(frozen=True)
class FoundInterval:
    """What merging needs of a finding; `[start, end)` aware UTC."""

    finding_id: str
    site_id: str
    rule: str
    subject: str
    family: Family
    grade: Grade
    start: datetime
    end: datetime

    @property
    def weight(self) -> float:
        """Expected consequence: the finding of most weight leads its clue."""
        return CONSEQUENCE[self.family] * CONFIDENCE[self.grade]


@dataclass(frozen=True)
class Episode:
    """Findings that belong together. `clue_id` None: not a clue yet."""

    site_id: str
    start: datetime
    end: datetime
    findings: tuple[FoundInterval, ...]
    clue_id: int | None = None

    @property
    def opens_a_clue(self) -> bool:
        strong = any(f.grade in (Grade.A, Grade.B) for f in self.findings)
        return strong or len({f.family for f in self.findings}) >= 2

    def with_finding(self, finding: FoundInterval) -> Episode:
        return replace(
            self,
            start=min(self.start, finding.start),
            end=max(self.end, finding.end),
            findings=(*self.findings, finding),
        )


def merge(
    fresh: Iterable[FoundInterval], standing: Sequence[Episode] = (), gap: timedelta = EPISODE_GAP
) -> list[Episode]:
    """Merge findings that belong to no clue yet into episodes, growing standing clues they lie near.

    Returns only what changes: grown clues (`clue_id` set) and new episodes, those too weak to open a clue
    included. Two standing clues are never joined: people have read them as two. Order of input is irrelevant.
    """
    lanes: dict[tuple[str, bool], list[FoundInterval]] = defaultdict(list)
    for finding in fresh:
        lanes[finding.site_id, _is_account(finding)].append(finding)
    changed: list[Episode] = []
    for lane, findings in sorted(lanes.items()):
        clues = [c for c in standing if (c.site_id, _is_account(c.findings[0])) == lane]
        changed += _merge_lane(sorted(findings, key=lambda f: (f.start, f.end, f.finding_id)), clues, gap)
    return changed


def repeats(finding: FoundInterval, dismissed: Episode) -> bool:
    """Whether a finding says again what was dismissed: same rule and subject, overlapping it.

    An event that goes on gives a longer finding each hour; it stays dismissed until it has grown to twice
    the length that was judged, at least by a day. Then it is a clue again.
    """
    for judged in dismissed.findings:
        same = (judged.rule, judged.subject) == (finding.rule, finding.subject)
        patience = max(judged.end - judged.start, timedelta(days=1))
        if same and finding.start < judged.end and judged.start < finding.end <= judged.end + patience:
            return True
    return False


def priority(episode: Episode, score: float) -> float:
    """Order of the queue: expected consequence first, then the detectors' score (0 to 1), duration, breadth.

    The largest weight + 8 x score + log2(1 + hours), at most 8, + 2 per further family. The account of a
    quarter is long by nature: its length counts for nothing.
    """
    weight = max(f.weight for f in episode.findings)
    accounts = all(_is_account(f) for f in episode.findings)
    hours = 0.0 if accounts else (episode.end - episode.start) / timedelta(hours=1)
    families = len({f.family for f in episode.findings})
    return weight + 8 * score + min(8.0, math.log2(1 + hours)) + 2 * (families - 1)


def _is_account(finding: FoundInterval) -> bool:
    return finding.family is Family.CAPTURE_RATE


def _merge_lane(findings: list[FoundInterval], clues: list[Episode], gap: timedelta) -> list[Episode]:
    groups: list[Episode] = []
    for finding in findings:
        if groups and finding.start - groups[-1].end < gap:
            groups[-1] = groups[-1].with_finding(finding)
        else:
            groups.append(Episode(finding.site_id, finding.start, finding.end, (finding,)))
    grown: dict[int, Episode] = {}
    new: list[Episode] = []
    for group in groups:
        near = [c for c in clues if c.clue_id is not None and _distance(group, c) < gap]
        if not near:
            new.append(group)
            continue
        for finding in group.findings:
            own = Episode(finding.site_id, finding.start, finding.end, (finding,))
            nearest = min(near, key=lambda c: (_distance(own, c), c.clue_id))
            assert nearest.clue_id is not None
            grown[nearest.clue_id] = grown.get(nearest.clue_id, nearest).with_finding(finding)
    return [*grown.values(), *new]


def _distance(a: Episode, b: Episode) -> timedelta:
    return max(a.start - b.end, b.start - a.end, timedelta(0))
