"""The look: colours of charts in light and dark, and the page's own style sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import streamlit as st

ASSETS = Path(__file__).parent / "assets"


@dataclass(frozen=True)
class Palette:
    """Colours with a meaning; red and amber are for meaning only."""

    ink: str
    teal: str
    slate: str
    text: str
    faint: str
    grid: str
    line: str
    good: str
    red: str
    amber: str
    shade: str
    source_shade: str
    on_red: str
    amber_fill: str
    lost: str
    conditions: Mapping[str, str]


LIGHT = Palette(
    ink="#1f4e79",
    teal="#2a7f86",
    slate="#5c6b7a",
    text="#1b2733",
    faint="#5c6b7a",
    grid="#e6ebf0",
    line="#d5dde5",
    good="#2c6e49",
    red="#b3261e",
    amber="#b26a00",
    shade="#b3261e",
    source_shade="#7a5ea8",
    on_red="#ffffff",
    amber_fill="#f6e3c4",
    lost="#c0483f",
    conditions=MappingProxyType(
        {
            "valid": "#a9c6b4", "over_range": "#7f9fb8", "stopped": "#8a97a5", "starting": "#bcc6d0",
            "stopping": "#bcc6d0", "banked": "#bcc6d0", "maintenance": "#c9ae6b", "calibration": "#d9c68f",
            "fault": "#c77d4f", "comms_fault": "#c99a7f", "manual": "#a58bc0", "missing": "#c0483f",
            "unknown": "#a58bc0", "unbelieved": "#7a1f3d",
        }
    ),
)  # fmt: skip
DARK = Palette(
    ink="#7fb2e5",
    teal="#66c2c9",
    slate="#93a3b3",
    text="#dfe7ef",
    faint="#93a3b3",
    grid="#22303d",
    line="#2b3947",
    good="#7cc79a",
    red="#f2857d",
    amber="#e8a75a",
    shade="#f2857d",
    source_shade="#b39ddb",
    on_red="#10171f",
    amber_fill="#4a3a1c",
    lost="#d2665d",
    conditions=MappingProxyType(
        {
            "valid": "#3f6650", "over_range": "#4d6f8a", "stopped": "#5d6b79", "starting": "#46535f",
            "stopping": "#46535f", "banked": "#46535f", "maintenance": "#8f7636", "calibration": "#a58f55",
            "fault": "#a9623a", "comms_fault": "#8f6650", "manual": "#7a649a", "missing": "#c75a52",
            "unknown": "#7a649a", "unbelieved": "#b3446c",
        }
    ),
)  # fmt: skip


def palette() -> Palette:
    """By the theme the browser shows (system preference); light before it is known."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def grade_style(grade: str) -> str:
    """CSS of a grade's cell: strength of evidence by weight of colour."""
    colours = {"A": "#a3241c", "B": "#a85b00"}
    return f"background-color: {colours.get(grade, '#5c6b7a')}; color: #ffffff; font-weight: 700"


def rate_style(rate: str) -> str:
    """CSS of a rate's cell (`69.8%`): red below 75 %, amber within five points above, else none."""
    if not rate.endswith("%"):
        return ""
    value, colours = float(rate[:-1]), palette()
    if value < 75:
        return f"background-color: {colours.red}; color: {colours.on_red}; font-weight: 700"
    return f"background-color: {colours.amber_fill}" if value < 80 else ""


def apply() -> None:
    """Put the style sheet and the colours it names into the page."""
    colours = palette()
    st.html(
        f"<style>:root {{ --mc-ink: {colours.ink}; --mc-faint: {colours.faint}; --mc-line: {colours.line};"
        f" --mc-amber: {colours.amber}; --mc-good: {colours.good}; }}</style>"
    )
    st.html(ASSETS / "console.css")
