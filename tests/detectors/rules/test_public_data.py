"""Two public years of a gas turbine's CEMS (hourly NOx, CO, load): what fires there, and why."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from detectors.catalogue import load_rules
from domain.findings import Finding
from domain.registry import FactorCode, MeterRole
from tests.detectors.worlds import NOX, STACK, meter, series, window

CO = FactorCode("a21005")
RULES = load_rules(
    ["fabrication.constant", "fabrication.replay", "fabrication.stopped_running", "bypass.treatment_off"]
)


def findings(shared: Path, year: int) -> list[Finding]:
    table = pl.read_csv(shared / "data" / f"gt_{year}.csv")
    load_kw = table["TEY"].to_numpy() * 1000
    world = window(
        {(STACK, NOX): series(table["NOX"].to_numpy()), (STACK, CO): series(table["CO"].to_numpy())},
        (meter(load_kw, 60, MeterRole.PRODUCTION, name="P1"),),
    )
    return [finding for rule in RULES for finding in rule.evaluate(world).findings]


def test_the_one_finding_of_2011_is_a_stuck_nox_analyser_under_moving_load(shared: Path) -> None:
    (finding,) = findings(shared, 2011)
    table = pl.read_csv(shared / "data" / "gt_2011.csv")
    stuck = table.filter(pl.col("NOX") == 60.38)
    assert (finding.rule, finding.factor, finding.statistic) == ("fabrication.constant", NOX, 102)
    assert float(np.ptp(stuck["TEY"].to_numpy())) > 30  # MW: the turbine moved, the analyser did not


def test_nothing_fires_in_2012(shared: Path) -> None:
    assert findings(shared, 2012) == []
