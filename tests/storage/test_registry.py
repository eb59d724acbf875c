"""The registry in the database."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from domain.registry import DeviceState, OutletId, Registry
from domain.standards import factors
from storage.connection import Connection, connect
from storage.errors import UnknownSubject
from storage.registry import (
    UNKNOWN_FACTORS_MAXIMUM,
    add_integrator,
    approve_device,
    ensure_pending_devices,
    ensure_unknown_factors,
    factor_keys,
    gate_keys,
    integrator_of,
    load_devices,
    load_registry,
    meter_keys,
    outlet_keys,
    save_registry,
)
from tests.storage.cities import KILN, MN_KILN, MN_SINTER, SINTER, STEEL, city, devices


@pytest.fixture
def connection(database: str) -> Iterator[Connection]:
    with connect(database, application_name="test") as connection:
        yield connection
        connection.rollback()


def test_a_registry_comes_back_as_saved_and_saving_twice_changes_nothing(connection: Connection) -> None:
    save_registry(connection, city())
    keys = outlet_keys(connection)
    save_registry(connection, city())
    assert load_registry(connection) == city()
    assert outlet_keys(connection) == keys


def test_one_site_is_loaded_with_its_own_things_only(connection: Connection) -> None:
    save_registry(connection, city())
    assert load_registry(connection, [STEEL]) == city().of_site(STEEL)
    assert load_registry(connection, []) == Registry()


def test_a_changed_entry_is_updated_and_keeps_its_key(connection: Connection) -> None:
    save_registry(connection, city())
    keys = outlet_keys(connection)
    renamed = replace(city(), sites=tuple(replace(s, name="新名") for s in city().sites))
    save_registry(connection, renamed)
    assert {s.name for s in load_registry(connection).sites} == {"新名"}
    assert outlet_keys(connection) == keys


def test_devices_come_back_with_their_settings(connection: Connection) -> None:
    save_registry(connection, city(), devices())
    assert load_devices(connection) == sorted(devices(), key=lambda d: d.mn)


def test_an_outlet_that_names_its_mn_makes_the_device_active_but_never_wakes_a_suspended_one(
    connection: Connection,
) -> None:
    ensure_pending_devices(connection, [MN_SINTER])
    save_registry(connection, city(), [d for d in devices() if d.mn == MN_KILN])
    states = {d.mn: d.state for d in load_devices(connection)}
    assert states == {MN_SINTER: DeviceState.ACTIVE, MN_KILN: DeviceState.SUSPENDED}
    save_registry(connection, city())
    assert {d.mn: d.state for d in load_devices(connection)} == states


def test_an_unknown_mn_is_pending_until_somebody_approves_it(connection: Connection) -> None:
    save_registry(connection, city())
    keys = ensure_pending_devices(connection, ["NEW1", MN_SINTER, "NEW1"])
    assert keys.keys() == {"NEW1", MN_SINTER}
    assert ensure_pending_devices(connection, ["NEW1"]) == {"NEW1": keys["NEW1"]}
    device = next(d for d in load_devices(connection) if d.mn == "NEW1")
    assert (device.state, device.outlet_id, device.site_id) == (DeviceState.PENDING, None, None)
    approve_device(connection, "NEW1", SINTER)
    device = next(d for d in load_devices(connection) if d.mn == "NEW1")
    assert (device.state, device.outlet_id, device.site_id) == (DeviceState.ACTIVE, SINTER, STEEL)


def test_approving_needs_a_known_device_and_a_known_outlet(connection: Connection) -> None:
    save_registry(connection, city())
    with pytest.raises(UnknownSubject, match="no device with MN 'X'"):
        approve_device(connection, "X", SINTER)
    with pytest.raises(UnknownSubject, match="no outlet 'nowhere'"):
        approve_device(connection, MN_SINTER, OutletId("nowhere"))


def test_every_subject_has_a_key(connection: Connection) -> None:
    save_registry(connection, city())
    assert outlet_keys(connection).keys() == {SINTER, KILN}
    assert meter_keys(connection).keys() == {"m1", "m2"}
    assert gate_keys(connection).keys() == {"g1"}
    assert factor_keys(connection) == {f.code: f.key for f in factors().values()}


def test_unknown_factors_get_keys_from_1000_that_stay(connection: Connection) -> None:
    first = ensure_unknown_factors(connection, ["zz2", "zz1"])
    assert first == {"zz1": 1000, "zz2": 1001}
    assert ensure_unknown_factors(connection, ["zz3", "zz1"]) == {"zz1": 1000, "zz3": 1002}
    assert factor_keys(connection)["zz2"] == 1001


def test_a_device_that_invents_codes_cannot_fill_the_factor_table(connection: Connection) -> None:
    codes = [f"z{i:06d}" for i in range(UNKNOWN_FACTORS_MAXIMUM + 10)]
    assert len(ensure_unknown_factors(connection, codes)) == UNKNOWN_FACTORS_MAXIMUM
    assert ensure_unknown_factors(connection, ["z000000", "zlast"]) == {"z000000": 1000}


def test_only_the_hash_of_a_token_is_kept(connection: Connection) -> None:
    add_integrator(connection, "grid", "t0ken")
    add_integrator(connection, "gates", "other")
    assert integrator_of(connection, "t0ken") == "grid"
    assert integrator_of(connection, "nobody's") is None
    add_integrator(connection, "grid", "new")
    assert integrator_of(connection, "t0ken") is None
    assert integrator_of(connection, "new") == "grid"
    stored = connection.execute("SELECT string_agg(encode(token_sha256, 'escape'), '') FROM integrator")
    assert "new" not in str(stored.fetchone())
