"""The rules as data: one TOML file per rule beside this module, `<family>.<name>.toml`.

The code of a rule is `detectors/rules/<family>_<name>.py`, which hands out `rule(entry) -> Rule`. A new rule
is these two files; nothing else names it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from detectors.rule import Rule, RuleEntry
from domain.errors import DataFileError, UnknownName
from domain.standards import legal_bases

HERE = Path(__file__).parent


@cache
def catalogue() -> Mapping[str, RuleEntry]:
    """All rule entries by id, in the order of their ids. Raises DataFileError naming file and field."""
    return MappingProxyType({(entry := read_entry(path)).id: entry for path in sorted(HERE.glob("*.toml"))})


def read_entry(path: Path) -> RuleEntry:
    """One validated entry. Raises DataFileError."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
        entry: RuleEntry = TypeAdapter(RuleEntry).validate_python(document)
    except (OSError, tomllib.TOMLDecodeError, ValidationError) as error:
        raise DataFileError(f"{path.name}: {error}") from error
    if entry.id != path.stem or not entry.id.startswith(f"{entry.family.value}."):
        raise DataFileError(f"{path.name}: the id must be the file's name and start with its family")
    unknown = [basis for basis in entry.legal_bases if basis not in legal_bases()]
    if unknown:
        raise DataFileError(f"{path.name}: legal basis {unknown[0]!r} is not in domain/data/legal_bases.toml")
    return entry


def load_rules(ids: Iterable[str] | None = None) -> tuple[Rule, ...]:
    """The rules with their default parameters, in the order of the catalogue; all of them unless named.

    Raises UnknownName for an id the catalogue does not hold.
    """
    entries = catalogue()
    chosen = set(entries if ids is None else ids)
    strange = sorted(chosen - set(entries))
    if strange:
        raise UnknownName(f"unknown rule {strange[0]!r}; known: {', '.join(entries)}")
    return tuple(build(entry) for rule_id, entry in entries.items() if rule_id in chosen)


def build(entry: RuleEntry) -> Rule:
    """The rule of an entry. Raises DataFileError when its module is not there."""
    module = f"detectors.rules.{entry.id.replace('.', '_')}"
    try:
        made: Rule = import_module(module).rule(entry)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise DataFileError(f"{entry.id}: no module {module}; write it or remove the entry") from error
    return made
