"""The detector benchmark: small runs report each job against its own baseline, and say if it was idle."""

from __future__ import annotations

import pytest

from benchmarks import detect


def test_a_small_run_reports_every_job_against_its_own_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detect, "ROUNDS", 1)
    monkeypatch.setattr(detect, "ROUND_SECONDS", 0.0)
    result = detect.run(series=4, flag_outlets=2)
    rows = result["rows"]
    assert isinstance(rows, list)
    assert {row["job"] for row in rows} == {"ticks", "constant runs", "replay", "capture rate"}
    for job in {row["job"] for row in rows}:
        ratios = [row["ratio"] for row in rows if row["job"] == job]
        assert ratios[0] == 1.0
        assert all(ratio > 0 for ratio in ratios)
    assert isinstance(result["idle"], bool)
