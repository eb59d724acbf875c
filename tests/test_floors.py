"""Imports only point down (docs/architecture.md)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

#: Package -> floor. A longer name wins: ingest.hj212 is floor 1 although ingest is floor 3.
FLOORS = {
    "mingcha": 5,
    "ui": 4,
    "enforcement": 3,
    "ingest": 3,
    "detectors": 3,
    "simulators": 3,
    "storage": 2,
    "ingest.hj212": 1,
    "detectors.kernels": 1,
    "domain": 0,
}


def _package(module: str) -> str | None:
    names = module.split(".")
    for length in (2, 1):
        name = ".".join(names[:length])
        if name in FLOORS:
            return name
    return None


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module


FILES = sorted(file for top in {name.split(".")[0] for name in FLOORS} for file in (ROOT / top).rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_only_point_down(file: Path) -> None:
    here = _package(".".join(file.relative_to(ROOT).with_suffix("").parts))
    assert here is not None
    for module in _imports(file):
        there = _package(module)
        if there is None or there == here:
            continue
        assert FLOORS[there] < FLOORS[here], (
            f"{module} is on floor {FLOORS[there]}, this file on {FLOORS[here]}"
        )


def test_the_pure_floor_does_no_input_or_output() -> None:
    forbidden = {"socket", "asyncio", "psycopg", "kafka", "subprocess", "requests", "pathlib"}
    for package in ("ingest/hj212", "detectors/kernels"):
        for file in (ROOT / package).rglob("*.py"):
            reached = {module.split(".")[0] for module in _imports(file)} & forbidden
            assert not reached, f"{file.relative_to(ROOT)} imports {reached}"


def test_simulators_never_touch_the_database() -> None:
    for file in (ROOT / "simulators").rglob("*.py"):
        reached = {module.split(".")[0] for module in _imports(file)} & {"storage", "psycopg"}
        assert not reached, f"{file.relative_to(ROOT)} imports {reached}"
