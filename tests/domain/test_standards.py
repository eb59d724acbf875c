from __future__ import annotations

from pathlib import Path

import pytest

from domain import standards
from domain.errors import DataFileError, UnknownName
from domain.standards import Condition, canonical_factor, factors, flag_dictionary, source_types


def test_the_same_letter_means_different_things_to_different_sources() -> None:
    assert flag_dictionary("hj212_2017").condition("B") is Condition.COMMS_FAULT
    assert flag_dictionary("hj75").condition("B") is Condition.BANKED


def test_a_letter_nobody_defined_is_never_valid() -> None:
    assert flag_dictionary("hj212_2017").condition("U") is Condition.UNKNOWN


@pytest.mark.parametrize(
    ("old", "new"), [("02", "a21026"), ("S01", "a19001"), ("B02", "a00000"), ("a21002", "a21002")]
)
def test_codes_of_2005_are_mapped(old: str, new: str) -> None:
    assert canonical_factor(old) == new


def test_a_private_code_is_not_guessed() -> None:
    assert canonical_factor("ele01") is None


def test_every_limit_of_a_source_type_names_a_known_factor() -> None:
    for source in source_types().values():
        assert set(source.limits) <= set(factors()), source.id


def test_every_entry_loads() -> None:
    assert standards.legal_bases() and standards.mark_kinds() and standards.flag_dictionaries()


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(UnknownName, match="zz"):
        standards.factor("zz")
    with pytest.raises(UnknownName, match="hj75"):
        flag_dictionary("zz")


def test_a_data_file_with_a_wrong_key_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "marks.toml").write_text('[[mark]]\nid = "x"\nzh = "x"\nen = "x"\nplan = "valid"\n')
    monkeypatch.setattr(standards, "DATA", tmp_path)
    standards.mark_kinds.cache_clear()
    with pytest.raises(DataFileError, match="plan"):
        standards.mark_kinds()
    monkeypatch.undo()
    standards.mark_kinds.cache_clear()
