"""Numbers as a data area may hold them: sign, digits, point, exponent; nothing else Python would take."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][+-]?\d++)?", re.ASCII)
#: N14.2 is the widest number of HJ 212-2017 table 4; anything at or above this is a broken instrument.
VALUE_LIMIT = 1e15


class NotUsable(ValueError):
    """A value that is no usable number; `code` names the problem."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def parse_number(text: str) -> float:
    """The nearest double of a decimal number. Raises NotUsable with the reason."""
    if _NUMBER.fullmatch(text) is None:
        if not text:
            raise NotUsable("value_empty", "is empty")
        if text.lstrip("+-").lower() in ("nan", "inf", "infinity"):
            raise NotUsable("value_not_finite", f"is {text}, no finite number")
        raise NotUsable("value_not_a_number", f"{text[:30]!r} is not a number")
    value = float(text)
    if not -VALUE_LIMIT < value < VALUE_LIMIT:
        raise NotUsable("value_too_large", f"{text[:30]} has more digits than the standard allows")
    return value


def format_number(value: float) -> str:
    """The shortest decimal that reads back as the same double, no exponent. ValueError on nan, inf."""
    if not -VALUE_LIMIT < value < VALUE_LIMIT:
        raise ValueError(f"{value} cannot be sent in a frame")
    text = repr(float(value))
    if "e" in text:
        text = f"{value:.340f}".rstrip("0")
        text += "0" if text.endswith(".") else ""
    return text.removesuffix(".0") if text.endswith(".0") and text != "-0.0" else text
