"""One simulated quarter of the demo city, honest and as planted, made once for the suite."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simulators.city import City
from simulators.demo_city import HISTORY, demo_city
from simulators.streams import Streams

#: 2026-07-01 00:00 in Shanghai.
START = datetime(2026, 6, 30, 16, tzinfo=UTC)
END = START + HISTORY


@pytest.fixture(scope="session")
def city() -> City:
    return demo_city(7, START)


@pytest.fixture(scope="session")
def planted(city: City) -> Streams:
    return city.simulate(START, END)


@pytest.fixture(scope="session")
def honest(city: City) -> Streams:
    return city.without_acts().simulate(START, END)
