"""Sentences people read."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from detectors.wording import Words, condition_words, factor_words, fill, plain
from domain.standards import Condition

TIME = datetime(2026, 8, 13, 19, tzinfo=UTC)


def test_times_are_written_on_the_shanghai_clock() -> None:
    assert fill("{start} 起", {"start": TIME}, "zh") == "08-14 03:00 起"


def test_words_follow_the_language_and_what_is_absent_is_a_dash() -> None:
    values = {"factor": factor_words("a21026"), "rate": None, "mean": float("nan"), "kw": 12.345}
    assert fill("{factor} {rate:.1%} {mean:.1f} {kw:.1f}", values, "zh") == "二氧化硫 — — 12.3"
    assert fill("{factor}", values, "en") == "SO2"
    assert factor_words("x99") == Words("x99", "x99")


def test_a_template_that_asks_for_more_than_there_is_fails() -> None:
    with pytest.raises(KeyError, match="worst"):
        fill("{worst}", {}, "en")


def test_evidence_becomes_what_json_can_hold() -> None:
    held = {
        "a": np.float64(1.5),
        "b": np.array([1.0, np.nan]),
        "t": TIME,
        "w": Words("甲", "a"),
        "n": np.int64(3),
    }
    assert plain(held) == {
        "a": 1.5,
        "b": [1.0, None],
        "t": "2026-08-14T03:00:00+08:00",
        "w": {"zh": "甲", "en": "a"},
        "n": 3,
    }


def test_every_condition_has_words() -> None:
    assert all(condition_words(c).zh and condition_words(c).en for c in Condition)
