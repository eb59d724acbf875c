"""Vocabularies of files and integrators: Chinese and English words for one thing, read from words.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from pydantic.dataclasses import dataclass

from domain.errors import UnknownName
from domain.standards import STRICT, load_entries


@dataclass(frozen=True, config=STRICT)
class Vocabulary:
    """`words` maps what we write to what else means the same; a closed vocabulary knows no other word."""

    id: str
    closed: bool
    words: dict[str, tuple[str, ...]]

    def word(self, text: str) -> str:
        """Our word for `text`. Raises UnknownName naming the known words; an open vocabulary keeps `text`."""
        found = _spellings(self.id).get(_fold(text))
        if found is not None:
            return found
        if self.closed:
            known = ", ".join(self.words)
            raise UnknownName(f"{self.id} {text!r} is not known; known: {known}")
        return text.strip()


@cache
def vocabularies() -> Mapping[str, Vocabulary]:
    """All vocabularies by id: interval, basis, averaging, role, level, measure, direction, fuel, stage …"""
    entries: tuple[Vocabulary, ...] = load_entries("words.toml", "vocabulary", tuple[Vocabulary, ...])
    return MappingProxyType({v.id: v for v in entries})


def _fold(text: str) -> str:
    return "".join(text.split()).casefold()


@cache
def _spellings(vocabulary_id: str) -> Mapping[str, str]:
    words = vocabularies()[vocabulary_id].words
    return MappingProxyType({_fold(text): word for word, others in words.items() for text in (word, *others)})
