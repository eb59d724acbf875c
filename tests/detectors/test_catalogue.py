"""The catalogue refuses entries that are wrong, and names what is."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors import catalogue as module
from detectors.catalogue import build, catalogue, load_rules, read_entry
from domain.errors import DataFileError, UnknownName
from domain.findings import Family

ENTRY = """
id = "compliance.example"
version = 1
family = "compliance"
grade = "A"
title_zh = "例"
title_en = "example"
sentence_zh = "疑似"
sentence_en = "suspected"
legal_bases = ["air_law_99"]
"""


def write(directory: Path, text: str, name: str = "compliance.example") -> Path:
    path = directory / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_an_entry_is_read_as_written(tmp_path: Path) -> None:
    entry = read_entry(write(tmp_path, ENTRY))
    assert (entry.family, entry.legal_bases, entry.defaults) == (Family.COMPLIANCE, ("air_law_99",), {})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (ENTRY.replace("air_law_99", "law_of_gravity"), "law_of_gravity"),
        (ENTRY.replace('"A"', '"Z"'), "grade"),
        (ENTRY + "\nseverity = 3", "severity"),
        (ENTRY.replace('title_en = "example"', ""), "title_en"),
        (ENTRY.replace('id = "compliance.example"', 'id = "compliance.other"'), "id"),
        (ENTRY.replace('id = "compliance.example"', 'id = "bypass.example"'), "id"),
        ("id = ", "compliance.example.toml"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(tmp_path: Path, wrong: str, named: str) -> None:
    with pytest.raises(DataFileError, match=named):
        read_entry(write(tmp_path, wrong))


def test_every_file_in_the_catalogue_has_its_rule_and_every_rule_its_file() -> None:
    rules = {path.stem for path in (Path(module.__file__).parent.parent / "rules").glob("*.py")} - {
        "__init__"
    }
    assert {rule_id.replace(".", "_") for rule_id in catalogue()} == rules
    assert len(load_rules()) == len(rules)


def test_an_unknown_rule_is_named() -> None:
    with pytest.raises(UnknownName, match=r"'fabrication\.nothing'"):
        load_rules(["fabrication.nothing"])


def test_an_entry_without_its_module_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match=r"detectors\.rules\.compliance_example"):
        build(read_entry(write(tmp_path, ENTRY)))
