"""Sentences of findings: templates of the catalogue filled with numbers, names and times people read.

Times are written on the Asia/Shanghai clock as `08-14 03:00`. A sentence says what the data shows (疑似) and
accuses nobody.
"""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Literal

from domain.clock import in_shanghai
from domain.standards import Condition, factors, flag_dictionaries

Language = Literal["zh", "en"]


@dataclass(frozen=True)
class Words:
    """A piece of text in both languages, for evidence that is neither number nor time."""

    zh: str
    en: str


class _Filler(string.Formatter):
    """`str.format` that knows times, both languages, and values that are not there (—)."""

    def __init__(self, language: Language) -> None:
        self.language = language

    def format_field(self, value: Any, format_spec: str) -> str:
        if value is None or (isinstance(value, float) and value != value):
            return "—"
        if isinstance(value, Words):
            return value.zh if self.language == "zh" else value.en
        if isinstance(value, datetime):
            return clock(value)
        return str(format(value, format_spec))


def fill(template: str, values: Mapping[str, object], language: Language) -> str:
    """Fill one template. Raises KeyError when the template asks for a value the evidence lacks."""
    return _Filler(language).vformat(template, (), values)


def clock(time: datetime) -> str:
    """An aware time as people read it in a sentence: `08-14 03:00` Asia/Shanghai."""
    return in_shanghai(time).strftime("%m-%d %H:%M")


def factor_words(code: str) -> Words:
    """The names of a factor; a code nobody defined names itself."""
    known = factors().get(code)  # type: ignore[call-overload]
    return Words(known.zh, known.en) if known else Words(code, code)


def plain(value: object) -> object:
    """A value of evidence as JSON can hold it: times as ISO text in Asia/Shanghai, NaN and None as null."""
    if isinstance(value, Words):
        return {"zh": value.zh, "en": value.en}
    if isinstance(value, datetime):
        return in_shanghai(value).isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str | bool) or value is None:
        return value
    if isinstance(value, Sequence):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        return plain(value.tolist())
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    return value


@cache
def condition_words(condition: Condition) -> Words:
    """What people call a condition, from the first flag dictionary that has a letter for it."""
    for dictionary in flag_dictionaries().values():
        for meaning in dictionary.flags:
            if meaning.condition is condition:
                return Words(meaning.zh, meaning.en)
    return Words("未定义标记", "undefined flag")
