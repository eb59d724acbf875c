"""Every visible text of the console, in Chinese and English (wording/*.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter

Language = Literal["zh", "en"]
LANGUAGES: Mapping[Language, str] = {"zh": "中文", "en": "English"}

_FOLDER = Path(__file__).parent / "wording"


@dataclass(frozen=True)
class Words:
    """The texts of one language: `words("queue.title", n=3)`, `words.term("state", "new")`."""

    language: Language
    sections: Mapping[str, Mapping[str, str]]

    def __call__(self, key: str, **values: object) -> str:
        """A text with its places filled. Raises KeyError when the key does not exist."""
        section, _, name = key.partition(".")
        text = self.sections[section][name]
        return text.format(**values) if values else text

    def term(self, section: str, name: str) -> str:
        """A word of a vocabulary; a name nobody has worded yet shows as itself."""
        return self.sections[section].get(name, name)

    def pick(self, zh: str, en: str) -> str:
        """Of a pair that comes with the data (sentences, reasons, factors)."""
        return zh if self.language == "zh" else en


@cache
def words(language: Language) -> Words:
    document = tomllib.loads((_FOLDER / f"{language}.toml").read_text(encoding="utf-8"))
    return Words(language, TypeAdapter(dict[str, dict[str, str]]).validate_python(document))
