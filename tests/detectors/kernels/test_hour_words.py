"""Hour words against their naive twin."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.kernels.hour_words import (
    ABSENT,
    CAPTURED,
    LOST,
    STOPPED,
    judge_hours,
    pack_hour_words,
    popcount,
)
from tests import oracles

MINUTE = 60_000_000

KINDS = st.lists(st.sampled_from([LOST, CAPTURED, STOPPED, ABSENT]), max_size=200)


@settings(deadline=None)  # the first example compiles the kernel
@given(
    KINDS,
    st.integers(-90, 90),
    st.sampled_from([30_000_000, MINUTE, 5 * MINUTE, 10 * MINUTE, 60 * MINUTE]),
    st.integers(0, 5),
)
def test_words_hold_the_minutes_each_interval_covers(
    kinds: list[int], start_minute: int, step_us: int, hours: int
) -> None:
    words = pack_hour_words(np.array(kinds, np.uint8), start_minute * MINUTE, step_us, hours)
    assert words.tolist() == oracles.pack_hour_words(kinds, start_minute * MINUTE, step_us, hours)


@settings(deadline=None)  # the first example compiles the kernel
@given(st.integers(0, 2**64 - 1))
def test_popcount_counts_bits(word: int) -> None:
    assert popcount(np.uint64(word)) == word.bit_count()


@settings(deadline=None)  # the first example compiles the kernel
@given(st.lists(st.tuples(*[st.integers(0, 2**60 - 1)] * 2, st.integers(0, 3)), max_size=20))
def test_an_hour_is_judged_as_the_rule_says(hours: list[tuple[int, int, int]]) -> None:
    captured = [a & ~b for a, b, _ in hours]
    stopped = [b for _, b, _ in hours]
    received = [a | b for a, b, _ in hours]
    rows = [row for *_, row in hours]
    words = np.array([received, captured, stopped], np.uint64).reshape(3, len(hours))
    states = judge_hours(words, np.array(rows, np.uint8), 45)
    assert states.tolist() == [
        oracles.judge_hour(received[i], captured[i], stopped[i], rows[i], 45) for i in range(len(hours))
    ]


def test_an_hour_needs_forty_five_minutes() -> None:
    for minutes, state in ((44, LOST), (45, CAPTURED)):
        kinds = np.array([CAPTURED] * minutes + [LOST] * (60 - minutes), np.uint8)
        words = pack_hour_words(kinds, 0, MINUTE, 1)
        assert judge_hours(words, np.array([ABSENT], np.uint8), 45).tolist() == [state]


@settings(deadline=None)  # the first example compiles the kernel
@given(KINDS, st.randoms())
def test_doubled_and_shuffled_rows_give_the_same_words(kinds: list[int], random: object) -> None:
    # each row packed alone and merged in any order, some twice: at-least-once delivery cannot double count
    rows = [(i, kind) for i, kind in enumerate(kinds)] * 2
    random.shuffle(rows)  # type: ignore[attr-defined]
    merged = np.zeros((3, 4), np.uint64)
    for i, kind in rows:
        merged |= pack_hour_words(np.array([kind], np.uint8), i * MINUTE, MINUTE, 4)
    whole = pack_hour_words(np.array(kinds, np.uint8), 0, MINUTE, 4)
    assert merged.tolist() == whole.tolist()
