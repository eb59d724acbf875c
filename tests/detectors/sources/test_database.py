"""Windows from the database: the same as from a bundle of the same rows, and findings saved from them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from detectors.catalogue import load_rules
from detectors.live import close_hour, period_until, touched_sites
from detectors.runner import run_batch
from detectors.saving import save_run
from detectors.sources.bundle import BundleSource
from detectors.sources.database import DatabaseSource
from domain.clock import INTERVAL_KEYS, Interval, Quarter
from storage.connection import Connection, connect
from storage.findings import load_capture_rates, load_findings, load_ranking
from storage.registry import factor_keys, meter_keys, outlet_keys, save_registry
from tests.detectors import bundles, worlds
from tests.detectors.bundles import SCALED, SHORT, City

pytestmark = pytest.mark.stack

END = worlds.START + timedelta(hours=bundles.HOURS)
RULES = load_rules()


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> City:
    return bundles.city(tmp_path_factory.mktemp("city") / Path("bundle"))


@pytest.fixture
def filled(database: str, city: City) -> Iterator[str]:
    """A database that holds the rows of the city."""
    with connect(database, application_name="test") as connection:
        save_registry(connection, city.bundle.registry)
        _copy_rows(connection, city)
    yield database


def _copy_rows(connection: Connection, city: City) -> None:
    outlets, factors, meters = outlet_keys(connection), factor_keys(connection), meter_keys(connection)
    assert city.bundle.readings is not None and city.bundle.power is not None
    with connection.cursor() as cursor:
        columns = "outlet_key, factor_key, interval_key, time, avg, min, max, converted_avg, total, flag"
        with cursor.copy(f"COPY reading ({columns}) FROM STDIN") as copy:
            for r in city.bundle.readings.iter_rows(named=True):
                interval = INTERVAL_KEYS[Interval(r["interval"])]
                copy.write_row(
                    (outlets[r["outlet_id"]], factors[r["factor"]], interval, r["time"], r["avg"], r["min"],
                     r["max"], r["converted_avg"], r["total"], r["flag"])
                )  # fmt: skip
        with cursor.copy("COPY power (meter_key, time, kw, kwh) FROM STDIN") as copy:
            for p in city.bundle.power.iter_rows(named=True):
                copy.write_row((meters[p["meter_id"]], p["time"], p["kw"], p["kwh"]))


def _told_until(connection: Connection, hours: int) -> None:
    """Let the streams have told of everything up to five minutes after this hour."""
    connection.execute("DELETE FROM ingest_offset")
    connection.execute("DELETE FROM stream")
    connection.execute(
        "WITH s AS (INSERT INTO stream (topic, topic_id) VALUES ('raw.cems', gen_random_uuid())"
        " RETURNING stream_key) INSERT INTO ingest_offset (stream_key, partition, event_time)"
        " SELECT stream_key, 0, %s FROM s",
        (worlds.START + timedelta(hours=hours, minutes=6),),
    )


def test_the_database_gives_the_same_findings_as_the_bundle_byte_for_byte(filled: str, city: City) -> None:
    source = DatabaseSource(filled, worlds.START, END, known_until=END)
    of_bundle = [repr(outcome) for outcome in run_batch(BundleSource(city.bundle), RULES)]
    with ThreadPoolExecutor(2) as executor:
        of_database = [repr(outcome) for outcome in run_batch(source, RULES, executor=executor)]
    assert of_database == of_bundle
    assert "Finding(" in "".join(of_bundle)


def test_a_run_saved_twice_is_the_same_findings_once(filled: str) -> None:
    source = DatabaseSource(filled, worlds.START, END, known_until=END)
    outcomes = list(run_batch(source, RULES))
    with connect(filled, application_name="test") as connection:
        first = save_run(connection, source, outcomes, RULES, "batch")
        again = save_run(connection, source, outcomes, RULES, "batch")
        assert first.new == first.findings > 0
        assert (again.new, again.withdrawn) == (0, 0)
        kept = {f.finding_id for f in load_findings(connection)}
        assert kept == {f.finding_id for o in outcomes for f in o.outcome.findings}
        assert {r.outlet_id for r in load_ranking(connection) if r.listed} == {SCALED, SHORT}
        rates = load_capture_rates(connection, "2026Q3")
        assert {r.outlet_id for r in rates if r.rate is not None and r.rate < 0.75} == {SHORT}


def test_what_is_no_longer_found_is_withdrawn(filled: str) -> None:
    source = DatabaseSource(filled, worlds.START, END, known_until=END)
    with connect(filled, application_name="test", autocommit=True) as connection:
        save_run(connection, source, list(run_batch(source, RULES)), RULES, "batch")
        connection.execute(
            "UPDATE reading SET converted_avg = NULL FROM outlet"
            " WHERE outlet.outlet_key = reading.outlet_key AND outlet_id = %s",
            (SCALED,),
        )
        saved = save_run(connection, source, list(run_batch(source, RULES)), RULES, "batch")
        assert saved.withdrawn == 1
        assert {f.outlet_id for f in load_findings(connection)} == {SHORT}


def test_hours_are_judged_once_as_they_close(filled: str) -> None:
    with (
        connect(filled, application_name="test", autocommit=True) as connection,
        ThreadPoolExecutor(1) as pool,
    ):
        assert close_hour(filled, RULES, pool, None) is None  # nothing was told yet
        _told_until(connection, 1000)
        first = close_hour(filled, RULES, pool, None)
        assert first is not None and first.end == worlds.START + timedelta(hours=1000)
        assert len(first.outcomes) == 5 and first.saved.new > 0
        assert close_hour(filled, RULES, pool, first.end) is None
        _told_until(connection, 1001)
        second = close_hour(filled, RULES, pool, first.end)
        assert second is not None and second.saved.new == 0
        assert all(not o.failures for o in second.outcomes)


def test_between_days_only_sites_that_reported_are_judged(filled: str) -> None:
    with connect(filled, application_name="test", autocommit=True) as connection:
        connection.execute("DELETE FROM power USING meter WHERE power.meter_key = meter.meter_key"
                           " AND site_id = 'S2'")  # fmt: skip
        start = worlds.START + timedelta(hours=100)  # the short plant says nothing before its hour 900
        assert touched_sites(connection, start, start + timedelta(hours=1)) == ["S0", "S1", "S3", "S4"]


def test_the_period_is_the_running_quarter_with_the_one_before_while_it_is_young() -> None:
    quarter = Quarter(2026, 3)
    assert period_until(quarter.end)[0] == quarter.start
    assert period_until(quarter.start + timedelta(days=40))[0] == quarter.start
    assert period_until(quarter.start + timedelta(days=3))[0] == quarter.previous().start
