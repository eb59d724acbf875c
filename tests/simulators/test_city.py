"""A city is one world: the same for a seed, however long it is looked at."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.clock import to_microseconds
from simulators.city import City
from simulators.demo_city import PLANTINGS, demo_city
from simulators.noise import Dice, autocorrelated
from simulators.province import province
from simulators.streams import Streams
from tests.simulators.conftest import END, START


def _equal(one: Streams, other: Streams) -> bool:
    return all(
        np.array_equal(getattr(a, plane), getattr(b, plane), equal_nan=plane != "condition")
        for x, y in zip(one.outlets(), other.outlets(), strict=True)
        for a, b in ((x.minutes, y.minutes), (x.hours, y.hours))
        for plane in ("avg", "min", "max", "converted_avg", "total", "condition")
    ) and all(
        x.passages.equals(y.passages)
        and all(np.array_equal(m.kw, n.kw) for m, n in zip(x.power, y.power, strict=True))
        for x, y in zip(one.sites, other.sites, strict=True)
    )


def test_a_seed_gives_the_same_city_and_another_seed_another(city: City, planted: Streams) -> None:
    again = demo_city(7, START)
    assert again == city
    week = START + timedelta(days=7)
    assert _equal(again.simulate(START, week), planted.cut(START, week))
    assert not _equal(demo_city(8, START).simulate(START, week), planted.cut(START, week))


def test_a_longer_look_begins_with_the_shorter_one(city: City, planted: Streams) -> None:
    """History and live are one world; who is inside a gate at the end is the only thing still open."""
    later = city.simulate(START, END + timedelta(days=5)).cut(START, END)
    assert _equal(later, planted)


def test_any_window_shows_the_same_rows(city: City, planted: Streams) -> None:
    start, end = START + timedelta(days=30, hours=5), START + timedelta(days=33)
    assert _equal(city.simulate(start, end), planted.cut(start, end))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.floats(0.2, 100), st.integers(2, 500))
def test_noise_has_prefixes_and_its_deviation(seed: int, hours: float, size: int) -> None:
    short = autocorrelated(Dice(seed), size, hours, 1.0)
    long = autocorrelated(Dice(seed), size + 300, hours, 1.0)
    np.testing.assert_array_equal(short, long[:size])
    assert np.isfinite(long).all()


def test_noise_has_the_deviation_asked_for() -> None:
    many = autocorrelated(Dice(1), 400_000, 2.0, 3.0)
    assert 2.85 < many.std() < 3.15
    assert abs(np.corrcoef(many[:-12], many[12:])[0, 1] - np.exp(-1)) < 0.05


def test_live_adds_one_act_soon_after_the_start() -> None:
    now = END + timedelta(minutes=7, seconds=20)
    with_live = demo_city(7, START, live_from=now)
    (new,) = [act for act in with_live.acts if act.start > now]
    assert new.kind == "treatment_off"
    assert new.start <= now + timedelta(hours=24)
    assert new.site_id not in {act.site_id for act in with_live.acts if act.start < now}


def test_the_acts_are_spread_over_the_history_there_is() -> None:
    live_from = START + timedelta(days=140)
    starts = [act.start for act in demo_city(7, START, live_from).acts]
    assert len([start for start in starts if start < live_from]) == len(PLANTINGS)
    assert max(start for start in starts if start < live_from) > START + timedelta(days=100)


def test_a_province_has_the_outlets_asked_for_and_some_who_tamper() -> None:
    made = province(3, 60, START, tampered_share=0.5)
    assert sum(1 for _ in made.outlets()) == 60
    assert len({outlet.outlet_id for outlet in made.outlets()}) == 60
    assert len({device.mn for device in made.devices}) == 60
    assert 5 < len(made.acts) < len(made.plants)
    site = next(made.sites(START, START + timedelta(days=2)))
    assert site.outlets[0].hours.start_us == to_microseconds(START)
