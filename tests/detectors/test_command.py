"""`mingcha detect` as people outside run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from tests.detectors import bundles
from tests.detectors.bundles import SCALED, SHORT, City


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return bundles.city(tmp_path_factory.mktemp("city"))


def detect(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mingcha", "detect", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_bundle_becomes_four_tables(city: City, tmp_path: Path) -> None:
    done = detect("--input", city.directory, "--output", tmp_path / "out", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["failures"] == [] and set(summary["listed"]) == {SCALED, SHORT}
    findings, ranking, rates, abstentions = (
        pl.read_parquet(tmp_path / "out" / f"{name}.parquet")
        for name in ("findings", "ranking", "capture_rates", "abstentions")
    )
    assert findings.columns[:4] == ["finding_id", "rule", "version", "family"]
    assert findings["finding_id"].n_unique() == findings.height == summary["findings"]
    assert findings["start"].dtype == pl.Datetime("us", "UTC")
    assert json.loads(findings["evidence"][0]) and json.loads(findings["explanations"][0])
    assert ranking.columns == ["site_id", "outlet_id", "score", "e_value", "listed", "families"]
    assert sorted(ranking["outlet_id"].to_list()) == [f"O{i}" for i in range(5)]
    assert ranking["score"].is_between(0, 1).all() and ranking["score"].is_sorted(descending=True)
    assert rates.filter(pl.col("outlet_id") == SHORT)["rate"][0] < 0.75
    assert abstentions["zh"].str.len_chars().min() > 0  # type: ignore[operator]


def test_only_the_rules_asked_for_run(city: City, tmp_path: Path) -> None:
    done = detect("--input", city.directory, "--output", tmp_path, "--rules", "capture_rate.low", "--json")
    assert json.loads(done.stdout)["by_rule"] == {"capture_rate.low": 1}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--input", "nowhere", "--output", "out"), 1, "not a directory"),
        (("--input", "nowhere"), 2, "--output"),
        (("--output", "nowhere"), 2, "--input"),
        (("--input", "a", "--output", "b", "--start", "yesterday"), 2, "not a time"),
        (("--input", "a", "--output", "b", "--rules", "fabrication.magic"), 1, "fabrication.magic"),
        (("--live", "--start", "2026-07-01"), 2, "--live"),
    ],
)
def test_wrong_use_is_one_sentence(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = detect(*arguments)
    assert done.returncode == code
    assert said in done.stderr and "Traceback" not in done.stderr
