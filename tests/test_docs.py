"""The documents say what is there: every command, every rule, every link."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detectors.catalogue import catalogue
from detectors.documentation import rules_page
from mingcha.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert re.search(rf"`(mingcha )?{command}\b", text), f"docs/commands.md does not name {command}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def test_both_readmes_show_the_same_commands() -> None:
    english, chinese = (
        re.findall(r"^(?:make|mingcha) \S+", (ROOT / name).read_text(encoding="utf-8"), re.M)
        for name in ("README.md", "README.zh.md")
    )
    assert english == chinese


def test_the_page_of_rules_is_the_catalogue() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == rules_page(catalogue().values()), "run: python -m detectors.documentation > docs/rules.md"
