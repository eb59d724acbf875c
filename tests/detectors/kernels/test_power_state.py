"""On and off from power: two thresholds, a dwell, and levels learned from the meter itself."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.kernels.power_state import OFF, ON, UNKNOWN, power_states, two_levels
from tests import oracles

KW = st.lists(st.sampled_from([0.0, 1.0, 5.0, 9.0, 10.0, np.nan]), max_size=40)


@settings(max_examples=300, deadline=None)
@given(KW, st.integers(1, 4))
def test_power_states_equal_their_twin(kw: list[float], dwell: int) -> None:
    assert power_states(np.array(kw), 9.0, 1.0, dwell).tolist() == oracles.power_states(kw, 9.0, 1.0, dwell)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-300, 300).map(float), max_size=40))
def test_two_levels_equal_their_twin(values: list[float]) -> None:
    ordered = sorted(values)
    got = two_levels(np.array(ordered, np.float64))
    assert got == pytest.approx(oracles.two_levels(ordered), nan_ok=True)


def test_a_dip_shorter_than_the_dwell_is_no_stop_and_a_gap_is_unknown() -> None:
    kw = np.array([10.0, 0, 0, 10, 0, 0, 0, np.nan, 5])
    assert power_states(kw, 8.0, 2.0, 3).tolist() == [ON, ON, ON, ON, OFF, OFF, OFF, UNKNOWN, ON]
