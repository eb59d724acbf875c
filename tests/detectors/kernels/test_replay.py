"""Repeats are found, verified and extended exactly as the naive twin does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.kernels.replay import agreement_counts, reach, repeats
from detectors.kernels.ticks import GAP, differences
from tests import oracles

SERIES = st.lists(st.one_of(st.integers(0, 3), st.integers(0, 3), st.just(GAP)), max_size=60)


@settings(max_examples=300, deadline=None)
@given(SERIES, st.integers(2, 6), st.integers(0, 3), st.integers(0, 2), st.booleans())
def test_repeats_equal_their_twin(
    ticks: list[int], window: int, changes: int, bridge: int, by_steps: bool
) -> None:
    array = np.array(ticks, np.int32)
    words = differences(array) if by_steps else array
    found = repeats(words, array, window, changes, bridge, 50)
    assert found.tolist() == oracles.repeats(words.tolist(), ticks, window, changes, bridge, 50)


@settings(max_examples=200, deadline=None)
@given(SERIES, SERIES, st.lists(st.integers(-20, 20), max_size=4), st.integers(0, 2), st.integers(1, 9))
def test_agreement_equals_its_twin(
    first: list[int], second: list[int], lags: list[int], bridge: int, longest: int
) -> None:
    compared, runs = agreement_counts(
        np.array(first, np.int32), np.array(second, np.int32), np.array(lags, np.int64), bridge, longest
    )
    assert (compared.tolist(), runs.tolist()) == oracles.agreement_counts(
        first, second, lags, bridge, longest
    )


@settings(deadline=None)
@given(SERIES, st.integers(0, 59), st.integers(0, 59), st.integers(-2, 2), st.booleans(), st.integers(0, 2))
def test_reach_equals_its_twin(
    ticks: list[int], source: int, copy: int, offset: int, back: bool, bridge: int
) -> None:
    if max(source, copy) >= len(ticks) or source >= copy:
        return
    step = -1 if back else 1
    got = reach(np.array(ticks, np.int32), source, copy, offset, step, bridge)
    assert got == oracles.reach(ticks, source, copy, offset, step, bridge)


def test_a_copy_plus_a_constant_is_one_segment_from_its_first_point_to_its_last() -> None:
    ticks = np.random.default_rng(1).integers(0, 1000, 400).astype(np.int32)
    ticks[300:340] = ticks[50:90] + 17
    ticks[310] = GAP
    assert repeats(differences(ticks), ticks, 12, 3, 1, 10).tolist() == [[50, 300, 40, 39]]


def test_two_threads_at_once_find_what_one_finds() -> None:
    rng = np.random.default_rng(2)
    many = [rng.integers(0, 4, 3000).astype(np.int32) for _ in range(8)]

    def run(ticks: np.ndarray) -> list[list[int]]:
        found: list[list[int]] = repeats(ticks, ticks, 8, 2, 0, 1000).tolist()
        return found

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(run, many)) == [run(ticks) for ticks in many]
