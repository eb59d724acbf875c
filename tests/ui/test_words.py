"""Every visible text is worded, in both languages, and nothing is worded in vain."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.findings import Family, Verdict
from domain.standards import Condition
from enforcement.errors import EnforcementError
from enforcement.rights import Role
from enforcement.states import Action, State
from ui.words import words

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "ui").rglob("*.py"))

#: Sections whose words are chosen at run time; what they must hold is checked below.
VOCABULARIES = {
    "performance",
    "state", "family", "role", "action", "error", "verdict", "interval", "crc", "lane", "alert", "condition",
    "statistic", "null_model",
}  # fmt: skip


def _keys(language: str) -> set[str]:
    sections = words(language).sections
    return {f"{section}.{name}" for section, names in sections.items() for name in names}


def _calls() -> Iterator[tuple[str, str]]:
    """(function, first argument) of every call whose first argument is a text."""
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                name = (
                    node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                )
                for argument in ast.walk(node.args[0]):
                    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                        yield name, argument.value


def test_both_languages_have_the_same_keys() -> None:
    assert _keys("zh") == _keys("en")


def test_both_languages_have_the_same_places_in_each_text() -> None:
    for key in _keys("zh"):
        section, name = key.split(".", 1)
        zh, en = (words(code).sections[section][name] for code in ("zh", "en"))
        assert set(re.findall(r"{(\w+)}", zh)) == set(re.findall(r"{(\w+)}", en)), key


def test_every_key_asked_for_exists_and_every_key_is_asked_for() -> None:
    asked = {text for name, text in _calls() if name in ("words", "Words") and "." in text}
    assert asked <= _keys("zh"), f"not worded: {sorted(asked - _keys('zh'))}"
    chosen = {"queue." + name for name in ("state", "grade", "family", "region")} | {
        f"queue.{kind}{end}" for kind in ("empty", "nothing_found") for end in ("", "_next")
    }
    idle = {k for k in _keys("zh") - asked - chosen if k.split(".")[0] not in VOCABULARIES}
    assert not idle, f"worded in vain: {sorted(idle)}"


@pytest.mark.parametrize(
    ("section", "members"),
    [
        ("state", State), ("family", Family), ("role", Role), ("action", Action), ("verdict", Verdict),
        ("condition", Condition),
    ],
)  # fmt: skip
def test_every_member_of_a_vocabulary_has_a_word(section: str, members: type) -> None:
    for language in ("zh", "en"):
        assert {m.value for m in members} <= set(words(language).sections[section])  # type: ignore[attr-defined]


def test_every_refusal_has_a_sentence() -> None:
    def codes(kind: type[EnforcementError]) -> set[str]:
        return {kind.code}.union(*(codes(sub) for sub in kind.__subclasses__()))

    assert codes(EnforcementError) <= set(words("zh").sections["error"])


def test_what_rules_call_their_numbers_is_worded() -> None:
    found: dict[str, set[str]] = {"statistic_name": set(), "null_model": set()}
    for source in sorted((ROOT / "detectors").rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in found:
                texts = (n.value for n in ast.walk(node.value) if isinstance(n, ast.Constant))
                found[node.arg] |= {t for t in texts if isinstance(t, str)}
    sections = words("zh").sections
    assert found["statistic_name"] <= set(sections["statistic"])
    assert found["null_model"] <= set(sections["null_model"])


def test_no_page_writes_chinese_of_its_own() -> None:
    for source in SOURCES:
        tree = ast.parse(source.read_text(encoding="utf-8"))
        documentation = {
            ast.get_docstring(n, clean=False)
            for n in ast.walk(tree)
            if isinstance(n, ast.Module | ast.ClassDef | ast.FunctionDef)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                text = node.value
                allowed = text in documentation or text in ("中文", "、") or source.name == "shown.py"
                assert allowed or not re.search("[\u4e00-\u9fff]", text), f"{source.name}: {text}"


def test_nobody_is_accused() -> None:
    for language in ("zh", "en"):
        text = " ".join(t for names in words(language).sections.values() for t in names.values())
        assert "造假" not in text
        assert "cheat" not in text.lower()
