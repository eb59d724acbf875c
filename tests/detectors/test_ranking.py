"""Evidence combined over rules and families, and the formal list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from detectors.catalogue import catalogue
from detectors.ranking import e_value_of, rank, score_of
from domain.findings import Family, Finding, Grade
from domain.registry import Outlet, OutletId, Registry, SiteId
from tests.detectors import worlds

ENTRIES = tuple(catalogue().values())


def finding(outlet: str | None, rule: str, *, p_value: float | None = None, hours: int = 24) -> Finding:
    entry = catalogue()[rule]
    return Finding(
        rule=rule,
        version=1,
        family=entry.family,
        grade=entry.grade,
        site_id=SiteId("S1" if outlet is None else f"S{outlet[1:]}"),
        outlet_id=None if outlet is None else OutletId(outlet),
        subject=outlet or "S1",
        factor=None,
        start=worlds.START,
        end=worlds.START + timedelta(hours=hours),
        statistic=1.0,
        statistic_name="x",
        sentence_zh="",
        sentence_en="",
        p_value=p_value,
    )


def province(size: int) -> Registry:
    return Registry(outlets=tuple(Outlet(OutletId(f"O{i}"), SiteId(f"S{i}")) for i in range(size)))


def test_every_outlet_has_a_place_and_clean_ones_have_score_zero() -> None:
    ranked = rank(province(5), [finding("O3", "fabrication.conversion")], ENTRIES)
    assert len(ranked) == 5
    assert ranked[0].outlet_id == "O3" and ranked[0].families == (Family.FABRICATION,)
    assert 0 < ranked[0].score < 1
    assert {(r.score, r.e_value, r.listed, r.families) for r in ranked[1:]} == {(0.0, 1.0, False, ())}


@pytest.mark.parametrize("rule", [e.id for e in ENTRIES if e.grade is Grade.A and e.fixed_e is None])
def test_a_deterministic_contradiction_alone_is_listed_in_a_bundle_of_fifty(rule: str) -> None:
    ranked = rank(province(50), [finding("O7", rule)], ENTRIES)
    assert [r.outlet_id for r in ranked if r.listed] == ["O7"]


def test_hours_above_a_limit_alone_list_nobody() -> None:
    ranked = rank(province(50), [finding(f"O{i}", "compliance.hour_limit") for i in range(50)], ENTRIES)
    assert not any(r.listed for r in ranked)


def test_the_p_to_e_calibrator_is_an_e_value_and_falls_with_p() -> None:
    p = (np.arange(1_000_000) + 0.5) / 1_000_000
    e = np.array([e_value_of(x) for x in p[::97]])
    assert (np.diff(e) <= 1e-6).all()
    # its integral over (0, 1) is at most 1: an honest outlet gains nothing on average
    grid = np.logspace(-12, 0, 4000)
    values = np.array([e_value_of(x) for x in grid])
    assert np.sum(np.diff(grid) * values[1:]) <= 1.0
    assert e_value_of(0.0) > 1e100


def test_score_rises_with_evidence_and_with_duration() -> None:
    assert score_of(100, 1) < score_of(1000, 1) < score_of(1000, 30) < 1


def test_longer_findings_rank_higher_at_equal_evidence() -> None:
    ranked = rank(
        province(3),
        [finding("O1", "fabrication.conversion"), finding("O2", "fabrication.conversion", hours=240)],
        ENTRIES,
    )
    assert [r.outlet_id for r in ranked] == ["O2", "O1", "O0"]


def test_two_families_outweigh_one() -> None:
    one = finding("O1", "fabrication.replay", p_value=1e-6)
    both = [finding("O2", "fabrication.replay", p_value=1e-6), finding("O2", "bypass.treatment_off")]
    ranked = rank(province(3), [one, *both], ENTRIES)
    assert ranked[0].outlet_id == "O2"
    assert ranked[0].families == (Family.FABRICATION, Family.BYPASS)


def test_a_finding_on_the_site_goes_to_its_only_outlet_else_to_a_row_of_its_own() -> None:
    on_site = finding(None, "bypass.treatment_off")
    alone = rank(province(3), [on_site], ENTRIES)
    assert alone[0].outlet_id == "O1" and len(alone) == 3
    twin = Registry(outlets=(*province(3).outlets, Outlet(OutletId("O1b"), SiteId("S1"))))
    several = rank(twin, [on_site], ENTRIES)
    assert several[0].outlet_id is None and len(several) == 5


def test_the_order_of_findings_does_not_matter() -> None:
    found = [finding(f"O{i}", "fabrication.replay", p_value=10.0**-i) for i in range(1, 6)]
    assert rank(province(9), found, ENTRIES) == rank(province(9), found[::-1], ENTRIES)


def test_replacing_a_strong_finding_by_a_weak_one_lowers_the_place() -> None:
    strong = finding("O1", "fabrication.replay", p_value=1e-9)
    weak = replace(strong, p_value=1e-2)
    assert rank(province(2), [weak], ENTRIES)[0].score < rank(province(2), [strong], ENTRIES)[0].score
