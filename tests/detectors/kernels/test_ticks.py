"""Ticks say exactly what the decimal text of a reading said."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.kernels.ticks import GAP, MOST_PLACES, decimal_places, differences, tick_step, to_ticks
from tests import oracles

GRID = st.integers(0, 4).flatmap(
    lambda d: st.lists(st.one_of(st.integers(-99999, 99999).map(lambda t: t / 10**d), st.just(np.nan)))
)
ANY = st.lists(st.one_of(st.floats(-1e12, 1e12), st.just(np.nan)), max_size=20)
TICKS = st.lists(st.one_of(st.integers(-60, 60), st.integers(-(2**31) + 1, 2**31 - 2), st.just(GAP)))


@settings(deadline=None)
@given(st.one_of(GRID, ANY), st.integers(0, 8))
def test_decimal_places_equal_their_twin(values: list[float], most: int) -> None:
    array = np.array(values, np.float64)
    assert decimal_places(array, most) == oracles.decimal_places(array, most)


@settings(deadline=None)
@given(GRID)
def test_ticks_give_the_values_back_to_the_last_bit(values: list[float]) -> None:
    array = np.array(values, np.float64)
    places = decimal_places(array, MOST_PLACES)
    ticks = to_ticks(array, places)
    known = ticks != GAP
    assert np.array_equal(known, np.isfinite(array))
    assert np.array_equal(ticks[known] / 10.0**places, array[known])
    assert ticks.tolist() == oracles.to_ticks(array, places)


@settings(deadline=None)
@given(TICKS)
def test_step_and_differences_equal_their_twins(ticks: list[int]) -> None:
    array = np.array(ticks, np.int32)
    assert tick_step(array) == oracles.tick_step(ticks)
    assert differences(array).tolist() == oracles.differences(ticks)


def test_an_instrument_that_moves_by_halves_has_a_step_of_five_ticks() -> None:
    values = np.array([10.5, np.nan, 12.0, 11.5])
    assert decimal_places(values, MOST_PLACES) == 1
    assert tick_step(to_ticks(values, 1)) == 5


def test_values_too_large_for_ticks_are_gaps_not_other_values() -> None:
    assert to_ticks(np.array([3e9, -3e9, np.inf, 5.0]), 0).tolist() == [GAP, GAP, GAP, 5]
