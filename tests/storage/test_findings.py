"""Findings, rates and ranking through the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from domain.findings import CaptureRate, Explanation, Family, Finding, Grade, RankedOutlet, Verdict
from storage.connection import Connection, connect
from storage.errors import UnknownSubject
from storage.findings import (
    begin_run,
    finish_run,
    load_capture_rates,
    load_findings,
    load_ranking,
    save_capture_rates,
    save_findings,
    save_ranking,
    withdraw_missing,
)
from storage.registry import save_registry
from tests.storage.cities import CEMENT, KILN, SINTER, SO2, STEEL, city

START = datetime(2026, 7, 1, tzinfo=UTC)
END = START + timedelta(days=10)
REPLAY = Finding(
    rule="fabrication.replay",
    version=2,
    family=Family.FABRICATION,
    grade=Grade.C,
    site_id=STEEL,
    outlet_id=SINTER,
    subject="steel-sinter",
    factor=SO2,
    start=START + timedelta(hours=5),
    end=START + timedelta(hours=29),
    statistic=24.0,
    statistic_name="matched hours",
    sentence_zh="疑似重放",
    sentence_en="looks replayed",
    p_value=1e-12,
    null_model="independent ticks",
    evidence={"zeta": 1.5, "alpha": [1, 2, None], "at": "2026-07-01T08:00:00+08:00"},
    explanations=(Explanation("stop", "停产", "stopped", Verdict.EXCLUDED),),
    parameters={"alpha": 1e-6, "hours": 24, "ratio": 0.1},
    legal_bases=("epl-63",),
)


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with connect(database, application_name="test") as connection:
        save_registry(connection, city())
        yield connection
        connection.rollback()


def test_a_finding_comes_back_the_same_with_its_id_and_the_order_of_its_evidence(
    connection: Connection,
) -> None:
    run = begin_run(connection, START, END, "batch")
    assert save_findings(connection, run, [REPLAY]) == 1
    finish_run(connection, run, 1)
    (loaded,) = load_findings(connection)
    assert loaded == REPLAY
    assert loaded.finding_id == REPLAY.finding_id
    assert list(loaded.evidence) == ["zeta", "alpha", "at"]


def test_the_same_findings_again_are_not_new(connection: Connection) -> None:
    other = replace(REPLAY, factor="a21002")
    first = begin_run(connection, START, END, "batch")
    assert save_findings(connection, first, [REPLAY, REPLAY]) == 1
    second = begin_run(connection, START, END, "live")
    assert save_findings(connection, second, [REPLAY, replace(other, sentence_en="clearer")]) == 1
    assert {f.sentence_en for f in load_findings(connection)} == {"looks replayed", "clearer"}


def test_a_finding_a_later_run_no_longer_makes_is_withdrawn_until_it_comes_back(
    connection: Connection,
) -> None:
    elsewhere = replace(REPLAY, site_id=CEMENT, outlet_id=KILN)
    later = replace(REPLAY, start=END - timedelta(hours=1), end=END + timedelta(hours=1))
    other_rule = replace(REPLAY, rule="fabrication.constant")
    first = begin_run(connection, START, END, "batch")
    save_findings(connection, first, [REPLAY, elsewhere, later, other_rule])
    second = begin_run(connection, START, END, "batch")
    save_findings(connection, second, [])
    assert withdraw_missing(connection, second, [REPLAY.rule], [STEEL]) == 1
    assert REPLAY not in load_findings(connection)
    assert len(load_findings(connection)) == 3
    assert load_findings(connection, finding_ids=[REPLAY.finding_id]) == [REPLAY]
    third = begin_run(connection, START, END, "batch")
    assert save_findings(connection, third, [REPLAY]) == 0
    assert withdraw_missing(connection, third, [REPLAY.rule], [STEEL]) == 0
    assert REPLAY in load_findings(connection)


def test_findings_are_chosen_by_site_and_by_the_period_they_touch(connection: Connection) -> None:
    elsewhere = replace(REPLAY, site_id=CEMENT, outlet_id=None, factor=None, p_value=None)
    save_findings(connection, begin_run(connection, START, END, "batch"), [REPLAY, elsewhere])
    assert load_findings(connection, site_id=CEMENT) == [elsewhere]
    assert len(load_findings(connection, start=REPLAY.end)) == 0
    assert len(load_findings(connection, start=REPLAY.end - timedelta(seconds=1))) == 2
    assert len(load_findings(connection, end=REPLAY.start)) == 0
    assert load_findings(connection, finding_ids=[]) == []


def test_capture_rates_of_a_quarter_are_replaced(connection: Connection) -> None:
    rate = CaptureRate(SINTER, SO2, "2026Q3", 2208, 240, 24, 162, 54, 3, 0.75, 0.74, 0.97, {"fault": 54})
    idle = CaptureRate(KILN, SO2, "2026Q3", 2208, 240, 240, 0, 0, 0, None, None, None, {})
    run = begin_run(connection, START, END, "batch")
    save_capture_rates(connection, run, [replace(rate, valid_hours=1), idle])
    save_capture_rates(connection, run, [rate])
    assert load_capture_rates(connection, "2026Q3") == [idle, rate]
    assert load_capture_rates(connection, "2026Q2") == []


def test_the_ranking_is_that_of_the_newest_run(connection: Connection) -> None:
    run = begin_run(connection, START, END, "batch")
    old = RankedOutlet(CEMENT, None, 0.9, 1e6, True, (Family.BYPASS,))
    new = [
        RankedOutlet(STEEL, SINTER, 0.8, 5000.0, True, (Family.FABRICATION, Family.BYPASS)),
        RankedOutlet(STEEL, None, 0.1, 1.0, False, ()),
    ]
    save_ranking(connection, run, [old])
    save_ranking(connection, run, new)
    assert load_ranking(connection) == new


def test_finishing_a_run_nobody_began_is_refused(connection: Connection) -> None:
    with pytest.raises(UnknownSubject, match="no detection run 404"):
        finish_run(connection, 404, 0)
