"""docs/hj212.md is a contract with whoever reads the JSON: it lists every code, and no code of the past."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
SOURCES = [*(ROOT / "ingest/hj212").glob("*.py"), ROOT / "mingcha/commands/hj212.py"]
WRITTEN = re.compile(r'(?:Problem|note|NotUsable)\(\s*"([a-z0-9_]+)"')
#: Made from the name of the CRC kind.
COMPOSED = {"crc_modbus", "crc_modbus_swapped"}


def test_every_problem_code_is_documented() -> None:
    in_source = {code for path in SOURCES for code in WRITTEN.findall(path.read_text(encoding="utf-8"))}
    table = (ROOT / "docs/hj212.md").read_text(encoding="utf-8").partition("## Problem codes")[2]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    documented = {code for row in rows for code in re.findall(r"`([a-z0-9_]+)`", row)}
    assert documented == in_source | COMPOSED
