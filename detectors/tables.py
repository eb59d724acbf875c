"""Outcomes as flat tables: findings, ranking, capture rates, abstentions; times UTC, nested values JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import polars as pl

from detectors.rule import Abstention
from domain.findings import CaptureRate, Finding, RankedOutlet
from domain.registry import SiteId

_TIME = pl.Datetime("us", "UTC")

FINDINGS: dict[str, pl.DataType] = {
    "finding_id": pl.String(), "rule": pl.String(), "version": pl.Int64(), "family": pl.String(),
    "grade": pl.String(), "site_id": pl.String(), "outlet_id": pl.String(), "subject": pl.String(),
    "factor": pl.String(), "start": _TIME, "end": _TIME, "statistic": pl.Float64(),
    "statistic_name": pl.String(), "p_value": pl.Float64(), "null_model": pl.String(),
    "sentence_zh": pl.String(), "sentence_en": pl.String(), "evidence": pl.String(),
    "explanations": pl.String(), "parameters": pl.String(), "legal_bases": pl.List(pl.String()),
}  # fmt: skip
RANKING: dict[str, pl.DataType] = {
    "site_id": pl.String(), "outlet_id": pl.String(), "score": pl.Float64(), "e_value": pl.Float64(),
    "listed": pl.Boolean(), "families": pl.List(pl.String()),
}  # fmt: skip
CAPTURE_RATES: dict[str, pl.DataType] = {
    "outlet_id": pl.String(), "factor": pl.String(), "quarter": pl.String(), "calendar_hours": pl.Int64(),
    "elapsed_hours": pl.Int64(), "stopped_hours": pl.Int64(), "valid_hours": pl.Int64(),
    "invalid_hours": pl.Int64(), "unbelieved_hours": pl.Int64(), "rate": pl.Float64(),
    "rate_believed": pl.Float64(), "best_possible": pl.Float64(), "lost_by_cause": pl.String(),
}  # fmt: skip
ABSTENTIONS: dict[str, pl.DataType] = {
    "site_id": pl.String(), "rule": pl.String(), "subject": pl.String(), "zh": pl.String(), "en": pl.String(),
}  # fmt: skip


def findings_frame(findings: Sequence[Finding]) -> pl.DataFrame:
    """One row per finding; evidence, explanations and parameters as JSON text."""
    rows = [
        {
            **{name: getattr(f, name) for name in FINDINGS if name not in ("family", "grade")},
            "family": f.family.value,
            "grade": f.grade.value,
            "evidence": _json(f.evidence),
            "explanations": _json([asdict(e) for e in f.explanations]),
            "parameters": _json(f.parameters),
            "legal_bases": list(f.legal_bases),
        }
        for f in findings
    ]
    return pl.DataFrame(rows, schema=FINDINGS)


def ranking_frame(ranked: Sequence[RankedOutlet]) -> pl.DataFrame:
    """One row per outlet (and per site with findings of its own), the strongest first."""
    rows = [asdict(r) | {"families": [family.value for family in r.families]} for r in ranked]
    return pl.DataFrame(rows, schema=RANKING)


def capture_rates_frame(rates: Sequence[CaptureRate]) -> pl.DataFrame:
    """One row per outlet, factor and quarter; `lost_by_cause` is JSON of condition -> hours."""
    rows = [asdict(r) | {"lost_by_cause": _json(r.lost_by_cause)} for r in rates]
    return pl.DataFrame(rows, schema=CAPTURE_RATES)


def abstentions_frame(abstentions: Sequence[tuple[SiteId, Abstention]]) -> pl.DataFrame:
    """One row per subject a rule could not judge."""
    return pl.DataFrame([{"site_id": site, **asdict(a)} for site, a in abstentions], schema=ABSTENTIONS)


def write_tables(directory: Path, tables: dict[str, pl.DataFrame]) -> list[Path]:
    """Write `<name>.parquet` for each table, making the directory; returns the paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, frame in tables.items():
        path = directory / f"{name}.parquet"
        frame.write_parquet(path)
        paths.append(path)
    return paths


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
