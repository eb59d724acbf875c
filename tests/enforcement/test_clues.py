"""Merging findings into episodes: pure, so laws can be tried on many cases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.findings import Family, Grade
from enforcement.clues import EPISODE_GAP, Episode, FoundInterval, merge, priority, repeats

T0 = datetime(2026, 8, 1, tzinfo=UTC)


def found(
    name: str,
    start_hour: float,
    hours: float = 2,
    *,
    grade: Grade = Grade.B,
    family: Family = Family.BYPASS,
    site: str = "S1",
    rule: str = "bypass.treatment_off",
) -> FoundInterval:
    start = T0 + timedelta(hours=start_hour)
    return FoundInterval(name, site, rule, "line 1", family, grade, start, start + timedelta(hours=hours))


FINDINGS = st.lists(
    st.builds(
        found,
        st.uuids().map(str),
        st.integers(0, 1_000),
        st.integers(1, 100),
        grade=st.sampled_from(Grade),
        family=st.sampled_from(Family),
        site=st.sampled_from(["S1", "S2"]),
    ),
    max_size=12,
)


def test_findings_of_one_site_less_than_72_hours_apart_are_one_episode() -> None:
    (episode,) = merge([found("a", 0), found("b", 73.9)])
    assert [f.finding_id for f in episode.findings] == ["a", "b"]
    assert len(merge([found("a", 0), found("b", 74)])) == 2


def test_two_sites_never_share_an_episode() -> None:
    assert len(merge([found("a", 0), found("b", 0, site="S2")])) == 2


def test_the_account_of_a_quarter_does_not_glue_its_events_together() -> None:
    account = found("q", 0, 2_208, grade=Grade.A, family=Family.CAPTURE_RATE)
    assert len(merge([found("a", 10), found("b", 900), account])) == 3


def test_one_statistical_finding_opens_nothing_but_two_families_do() -> None:
    lone = found("a", 0, grade=Grade.C, family=Family.FABRICATION)
    assert not merge([lone])[0].opens_a_clue
    assert merge([lone, found("b", 5, grade=Grade.C, family=Family.BYPASS)])[0].opens_a_clue
    assert merge([found("c", 0, grade=Grade.B)])[0].opens_a_clue


def test_a_finding_between_two_standing_clues_joins_the_nearer_and_does_not_join_them() -> None:
    left = Episode("S1", T0, T0 + timedelta(hours=2), (found("a", 0),), clue_id=1)
    right_finding = found("b", 100)
    right = Episode("S1", right_finding.start, right_finding.end, (right_finding,), clue_id=2)
    (grown,) = merge([found("c", 60)], [left, right])
    assert grown.clue_id == 2


def test_a_dismissed_event_stays_dismissed_while_it_goes_on_until_it_has_doubled() -> None:
    judged = found("a", 0, 30)
    dismissed = Episode("S1", judged.start, judged.end, (judged,), clue_id=1)
    assert repeats(found("b", 0, 31), dismissed)
    assert not repeats(found("c", 0, 61), dismissed)
    assert not repeats(found("d", 40, 2), dismissed)
    assert not repeats(found("e", 0, 30, rule="fabrication.replay"), dismissed)


def test_strength_of_evidence_weighs_more_than_an_hour_more() -> None:
    strong = merge([found("a", 0, 2, grade=Grade.A)])[0]
    weak = merge([found("a", 0, 3, grade=Grade.C)])[0]
    assert priority(strong, 0.5) > priority(weak, 0.5)


@given(FINDINGS, st.randoms())
def test_the_order_of_findings_changes_nothing(findings: list[FoundInterval], random: object) -> None:
    shuffled = list(findings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(findings) == merge(shuffled)


@given(FINDINGS)
def test_every_finding_is_in_one_episode_and_episodes_keep_their_distance(
    findings: list[FoundInterval],
) -> None:
    episodes = merge(findings)
    assert sorted(f.finding_id for e in episodes for f in e.findings) == sorted(
        f.finding_id for f in findings
    )
    for site in ("S1", "S2"):
        for accounts in (True, False):
            lane = sorted(
                (e for e in episodes if e.site_id == site and _account(e) == accounts), key=lambda e: e.start
            )
            assert all(b.start - a.end >= EPISODE_GAP for a, b in pairwise(lane))


def _account(episode: Episode) -> bool:
    return episode.findings[0].family is Family.CAPTURE_RATE
