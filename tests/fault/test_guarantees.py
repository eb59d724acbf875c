"""docs/guarantees.md names tests that exist, in the files it links to."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_test_named_in_the_guarantees_is_in_the_file_named_before_it() -> None:
    named = 0
    file = ""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    for link, name in re.findall(r"\]\(\.\./(tests/[^)]+)\)|`(test_\w+)`", text):
        if link:
            file = link
        else:
            named += 1
            assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8"), f"{file} has no {name}"
    assert named > 20
