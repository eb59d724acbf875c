"""Windows from a bundle."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from detectors.catalogue import load_rules
from detectors.runner import run_batch
from detectors.sources.bundle import BundleSource, open_bundle, period_of
from domain.bundle import Bundle
from domain.clock import Interval
from domain.registry import FactorCode, OutletId, SiteId
from tests.detectors import bundles, worlds
from tests.detectors.bundles import SCALED, SHORT, City

SO2 = FactorCode("a21026")


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return bundles.city(tmp_path_factory.mktemp("city"))


def said(source: BundleSource) -> list[str]:
    return [repr(outcome) for outcome in run_batch(source, load_rules())]


def test_the_period_is_what_the_rows_cover(city: City) -> None:
    source = open_bundle(city.directory)
    assert (source.start, source.end) == (worlds.START, worlds.START + timedelta(hours=bundles.HOURS))


def test_the_planted_plants_are_found_and_the_honest_ones_are_not(city: City) -> None:
    found = {
        (finding.outlet_id, finding.rule)
        for outcome in run_batch(open_bundle(city.directory), load_rules())
        for finding in outcome.outcome.findings
    }
    assert found == {(SCALED, "fabrication.conversion"), (SHORT, "capture_rate.low")}


def test_the_order_of_rows_in_the_files_does_not_show(city: City) -> None:
    bundle = city.bundle
    assert bundle.readings is not None and bundle.power is not None
    shuffled = replace(
        bundle,
        readings=bundle.readings.sample(fraction=1.0, shuffle=True, seed=1),
        power=bundle.power.sample(fraction=1.0, shuffle=True, seed=2),
    )
    assert said(BundleSource(shuffled)) == said(BundleSource(bundle))


def test_rows_given_twice_change_nothing(city: City) -> None:
    assert city.bundle.readings is not None
    doubled = replace(city.bundle, readings=pl.concat([city.bundle.readings] * 2))
    assert said(BundleSource(doubled)) == said(BundleSource(city.bundle))


def test_a_clock_error_of_decades_does_not_stretch_the_period(city: City) -> None:
    readings = city.bundle.readings
    assert readings is not None
    wrong = readings.head(3).with_columns(time=pl.lit(datetime(1970, 1, 1, tzinfo=UTC)))
    late = readings.head(2).with_columns(time=pl.lit(datetime(2099, 1, 1, tzinfo=UTC)))
    assert period_of(replace(city.bundle, readings=pl.concat([wrong, readings, late]))) == period_of(
        city.bundle
    )


@pytest.mark.parametrize("kept", ["readings", "power"])
def test_any_one_stream_is_enough(city: City, kept: str) -> None:
    alone = Bundle(city.bundle.registry, **{kept: getattr(city.bundle, kept)})
    outcomes = list(run_batch(BundleSource(alone), load_rules()))
    assert not any(outcome.failures for outcome in outcomes)


def test_streams_without_rows_give_empty_windows(city: City) -> None:
    assert city.bundle.readings is not None
    empty = BundleSource(Bundle(city.bundle.registry, readings=city.bundle.readings.clear()))
    assert empty.start == empty.end
    for outcome in run_batch(empty, load_rules()):
        assert not outcome.failures and not outcome.outcome.findings


def test_a_given_period_cuts_the_rows(city: City) -> None:
    start = worlds.START + timedelta(hours=100)
    window = open_bundle(city.directory, start, start + timedelta(hours=10)).window(SiteId("S0"))
    series = window.series[(OutletId("O0"), SO2, Interval.HOUR)]
    assert (series.grid.size, series.grid.time(0)) == (10, start)
    assert np.count_nonzero(~np.isnan(series.avg)) == 10
