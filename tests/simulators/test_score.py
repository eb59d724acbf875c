"""The record of a run and the score of findings against it."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from domain.bundle import read_bundle
from domain.registry import FactorCode, OutletId, SiteId
from mingcha.commands.simulate import app
from simulators.city import City
from simulators.errors import SimulationError
from simulators.recorded import CaptureCount, Record, read_record, record, write_record
from simulators.score import Claim, read_claims, score
from simulators.streams import Streams
from simulators.tables import bundle_of, truth_path, write_city
from simulators.tampering import Note, Truth
from tests.simulators.conftest import END, START

SITE, OUTLET, SO2 = SiteId("s"), OutletId("s-1"), FactorCode("a21026")
T0 = START + timedelta(days=10)
TRUTH = Truth(
    "constant_value", SITE, OUTLET, (SO2,), T0, T0 + timedelta(hours=10), 1.0, ("fabrication.constant",)
)
NOTE = Note("real_stop", SITE, OUTLET, (), T0 + timedelta(days=5), T0 + timedelta(days=8), "")
COUNT = CaptureCount(OUTLET, SO2, "2026Q3", 2208, 100, 2000)
RECORD = Record(1, START, END, 1, (TRUTH,), (NOTE,), (COUNT,))


def _claim(start: float, end: float, rule: str = "fabrication.constant", factor: str | None = SO2) -> Claim:
    return Claim(rule, SITE, OUTLET, factor, T0 + timedelta(hours=start), T0 + timedelta(hours=end))


def _recall(*claims: Claim) -> float | None:
    return score(claims, RECORD, 1).kinds[0].recall


def test_half_of_the_truth_or_half_of_the_finding_counts_as_found() -> None:
    assert _recall(_claim(5, 30)) == 1
    assert _recall(_claim(9, 11)) == 1
    assert _recall(_claim(6, 30)) == 0
    assert _recall() == 0


def test_another_rule_another_factor_or_another_place_does_not_find() -> None:
    assert _recall(_claim(0, 10, rule="fabrication.replay")) == 0
    assert _recall(_claim(0, 10, factor="a21002")) == 0
    elsewhere = Claim("fabrication.constant", SITE, OutletId("s-2"), SO2, TRUTH.start, TRUTH.end)
    assert _recall(elsewhere) == 0


def test_findings_beside_and_outside_every_truth_are_told_apart() -> None:
    claims = [_claim(0, 10), _claim(0, 5, rule="x"), _claim(130, 140, rule="x"), _claim(300, 310, rule="x")]
    right, other = score(claims, RECORD, 1).rules
    assert (right.right, right.beside, right.false) == (1, 0, 0)
    assert (other.findings, other.right, other.beside, other.false) == (3, 0, 1, 2)
    assert other.false_on_notes == (("real_stop", 1),)
    assert other.false_per_site_quarter == pytest.approx(2, rel=0.02)


def test_a_kind_without_a_rule_has_no_recall() -> None:
    truth = Truth("oxygen_forged_low", SITE, OUTLET, (), TRUTH.start, TRUTH.end, 1.0, ())
    (kind,) = score([], Record(1, START, END, 1, (truth,), (), ()), 1).kinds
    assert kind.recall is None


def test_capture_counts_are_exact_or_named() -> None:
    wrong = CaptureCount(OUTLET, SO2, "2026Q3", 2208, 100, 1999)
    assert score([], RECORD, 1, [COUNT]).capture.exact == 1
    assert score([], RECORD, 1, [wrong]).capture.wrong == ("s-1 a21026 2026Q3",)
    assert COUNT.rate == pytest.approx(2000 / 2108)


def test_a_record_survives_its_file(tmp_path: Path, city: City, planted: Streams) -> None:
    made = record(city, planted, START, END)
    write_record(tmp_path / "truth.json", made)
    assert read_record(tmp_path / "truth.json") == made
    assert {note.kind for note in made.notes} == {"spare_unit", "coarse_instrument", "real_stop"}
    assert {t.kind for t in made.truths} >= {t.kind for t in city.truths()} | {"over_limit"}
    loss = next(t for t in made.truths if t.kind == "capture_rate_loss")
    low = [c for c in made.capture if c.rate is not None and c.rate < 0.75]
    assert {c.outlet_id for c in low} == {loss.outlet_id}


def test_a_broken_truth_file_names_its_field(tmp_path: Path) -> None:
    path = tmp_path / "truth.json"
    path.write_text(json.dumps({"seed": 1}))
    with pytest.raises(SimulationError, match="start"):
        read_record(path)
    with pytest.raises(SimulationError, match="No such file"):
        read_record(tmp_path / "none.json")


def test_a_bundle_reads_back_and_holds_no_truth(tmp_path: Path, city: City) -> None:
    end = START + timedelta(days=3)
    write_city(city, START, end, tmp_path / "b")
    read = read_bundle(tmp_path / "b")
    expected = bundle_of(city, city.simulate(START, end))
    assert read.registry == city.registry
    for name, frame in expected.streams().items():
        assert read.streams()[name].equals(frame), name
    assert "truth" not in " ".join(path.name for path in (tmp_path / "b").iterdir())
    assert truth_path(tmp_path / "b").exists()


def test_the_commands_write_a_bundle_and_score_findings(tmp_path: Path) -> None:
    run = CliRunner().invoke(
        app,
        ["bundle", "--output", str(tmp_path / "b"), "--start", "2026-07-01", "--end", "2026-07-04", "--json"],
    )
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["outlets"] == 35
    findings = pl.DataFrame([vars(_claim(0, 1))])
    findings.write_parquet(tmp_path / "findings.parquet")
    assert read_claims(tmp_path / "findings.parquet") == [_claim(0, 1)]
    truth = str(truth_path(tmp_path / "b"))
    run = CliRunner().invoke(
        app, ["score", "--findings", str(tmp_path / "findings.parquet"), "--truth", truth, "--json"]
    )
    assert run.exit_code == 0, run.output
    assert json.loads(run.stdout)["rules"][0]["false"] == 1
    run = CliRunner().invoke(app, ["bundle", "--output", str(tmp_path / "c"), "--start", "tomorrow"])
    assert run.exit_code == 2
