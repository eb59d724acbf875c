"""Runs of equal ticks: which points are meant, across gaps and whatever the probing skips."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.kernels.runs_chance import expected_runs, going_on, length_counts
from detectors.kernels.runs_equal import long_runs, maximal_runs
from tests import oracles

POINTS = st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 1, 1, 1, 2, 4])), max_size=60)
LENGTHS = st.lists(st.one_of(st.just(1), st.integers(1, 9)), min_size=1, max_size=600)


@settings(max_examples=300, deadline=None)
@given(POINTS, st.integers(2, 8), st.integers(0, 3))
def test_runs_equal_their_twins(points: list[tuple[int, int]], least: int, longest_gap: int) -> None:
    ticks = [t for t, _ in points]
    index = list(accumulate(step for _, step in points))
    arrays = np.array(ticks, np.int32), np.array(index, np.int64)
    assert maximal_runs(*arrays, longest_gap).tolist() == oracles.maximal_runs(ticks, index, longest_gap)
    found = long_runs(*arrays, least, longest_gap)
    assert found.tolist() == oracles.long_runs(ticks, index, least, longest_gap)


def test_a_run_goes_on_over_a_short_gap_and_ends_at_a_long_one() -> None:
    ticks = np.array([7, 7, 7, 7, 7, 7], np.int32)
    index = np.array([0, 1, 2, 5, 6, 12], np.int64)
    assert long_runs(ticks, index, 2, 2).tolist() == [[0, 5]]


@settings(max_examples=200, deadline=None)
@given(LENGTHS, st.integers(1, 40))
def test_the_tail_of_run_lengths_equals_its_twin(lengths: list[int], length: int) -> None:
    counts = length_counts(np.array(lengths, np.int64), 40)
    assert counts.tolist() == oracles.length_counts(lengths, 40)
    assert np.isclose(going_on(counts), oracles.going_on(counts.tolist()), rtol=1e-12)
    assert np.isclose(
        expected_runs(counts, length), oracles.expected_runs(counts.tolist(), length), rtol=1e-9
    )


def test_a_few_planted_runs_do_not_teach_the_tail() -> None:
    rng = np.random.default_rng(3)
    honest = rng.geometric(0.8, 2000)
    clean = going_on(length_counts(honest, 200))
    planted = going_on(length_counts(np.concatenate([honest, [48] * 5]), 200))
    assert abs(planted - clean) < 0.02
