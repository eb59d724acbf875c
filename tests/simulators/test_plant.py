"""The laws that hold on the data of every honest plant."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from domain.registry import MeterRole
from domain.standards import CONDITION_CODES, Condition, factor
from simulators.city import City
from simulators.industry import industries
from simulators.measured import FLOW, OXYGEN
from simulators.streams import Block, Floats, Streams

SOUND = (CONDITION_CODES[Condition.VALID], CONDITION_CODES[Condition.OVER_RANGE])
STOPPED = CONDITION_CODES[Condition.STOPPED]
VALID_ROWS_PER_HOUR = 5  # 45 minutes of ten-minute rows


def _sound(block: Block, row: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.isin(block.condition[row], SOUND) & block.present


def test_the_city_has_all_seven_industries_and_more_devices_than_sites(city: City) -> None:
    kinds = {plant.lines[0].industry.id for plant in city.plants}
    assert kinds == set(industries())
    assert len(city.plants) == 22
    assert len({device.mn for device in city.devices}) == len(city.devices) == 35
    assert {device.edition for device in city.devices} == {"2005", "2017", "2025"}
    for device in city.devices:
        assert len(device.mn) == (14 if device.edition == "2005" else 24)


def test_the_mean_lies_between_least_and_greatest(honest: Streams) -> None:
    for outlet in honest.outlets():
        for block in (outlet.minutes, outlet.hours):
            sent = block.avg[:, block.present]
            assert (block.min[:, block.present] <= sent).all()
            assert (sent <= block.max[:, block.present]).all()


def test_folded_values_follow_the_oxygen_of_their_own_row(city: City, honest: Streams) -> None:
    for line, outlet in zip(city.lines(), honest.outlets(), strict=True):
        reference = line.outlet.reference_o2_percent
        for block in (outlet.minutes, outlet.hours):
            for row, code in enumerate(block.factors):
                converted = block.converted_avg[row]
                if reference is None or not factor(code).converted:
                    assert np.isnan(converted).all()
                    continue
                oxygen = block.avg[block.row(OXYGEN)]
                both = _sound(block, row) & _sound(block, block.row(OXYGEN)) & (oxygen < 20.85)
                fold = (21 - reference) / (21 - oxygen[both])
                np.testing.assert_allclose(
                    converted[both], block.avg[row][both] * fold, rtol=1e-9, atol=0.006
                )


def test_totals_are_concentration_times_flow_times_time(honest: Streams) -> None:
    for outlet in honest.outlets():
        for block in (outlet.minutes, outlet.hours):
            flow = block.avg[block.row(FLOW)]
            for row, code in enumerate(block.factors):
                if factor(code).kind == "pollutant":
                    kg = block.avg[row] * flow * block.step_us * 1e-12
                    np.testing.assert_allclose(block.total[row], kg, rtol=1e-9, atol=6e-6)


def test_a_valid_hour_is_the_mean_of_its_valid_minutes(honest: Streams) -> None:
    for outlet in honest.outlets():
        minutes, hours = outlet.minutes, outlet.hours
        for row, code in enumerate(hours.factors):
            sound = _sound(minutes, row).reshape(-1, 6)
            np.testing.assert_array_equal(sound.sum(axis=1) >= VALID_ROWS_PER_HOUR, _sound(hours, row))
            values = np.where(sound, minutes.avg[row].reshape(-1, 6), 0.0)
            valid = _sound(hours, row)
            means = values.sum(axis=1)[valid] / sound.sum(axis=1)[valid]
            half = 0.5 * 10.0 ** -factor(code).decimals
            assert (np.abs(hours.avg[row][valid] - means) <= half + 1e-9).all()


def test_a_stopped_source_shows_air_and_no_draught(honest: Streams, city: City) -> None:
    seen = 0
    for line, outlet in zip(city.lines(), honest.outlets(), strict=True):
        block = outlet.hours
        stopped = (block.condition[block.row(FLOW)] == STOPPED) & block.present
        running = _sound(block, block.row(FLOW))
        if not stopped.any():
            continue
        seen += 1
        usual = np.median(block.avg[block.row(FLOW)][running])
        assert block.avg[block.row(FLOW)][stopped].max() < 0.1 * usual
        if line.outlet.reference_o2_percent is not None:
            assert block.avg[block.row(OXYGEN)][stopped].min() > 20
    assert seen > 10


def test_velocity_and_dry_standard_flow_obey_the_standard(honest: Streams) -> None:
    """HJ 212-2017 Annex D eq. 31: one duct area explains every row of an outlet."""
    for outlet in honest.outlets():
        block = outlet.hours
        valid = _sound(block, block.row(FLOW))
        velocity, temperature, pressure, moisture = (
            block.avg[block.row(code)][valid] for code in ("a01011", "a01012", "a01013", "a01014")
        )
        absolute = (100_800 + 1000 * pressure) / 101_325
        standard = velocity * 273 / (273 + temperature) * absolute * (1 - moisture / 100)
        area = block.avg[block.row(FLOW)][valid] / standard
        assert np.quantile(np.abs(area / np.median(area) - 1), 0.99) < 0.03


def test_production_runs_only_with_treatment_on_an_honest_line(city: City, honest: Streams) -> None:
    for line in city.lines():
        production, *units = (honest.meter(meter.meter_id).kw for meter in line.meters)
        assert [meter.role for meter in line.meters[1:]] == [MeterRole.TREATMENT] * len(units)
        treatment = np.sum(units, axis=0)
        making = production > 0.3 * np.max(production)
        assert (treatment[making] > 0.25 * np.median(treatment[making])).all()


def test_spare_units_take_turns(city: City, honest: Streams) -> None:
    turns = 0
    for line in city.lines():
        if line.industry.spare_units:
            units = np.array([honest.meter(meter.meter_id).kw for meter in line.meters[1:]])
            duty = units.argmax(axis=0)
            turns += int((np.diff(duty) != 0).any())
    assert turns > 3


def test_the_main_meter_sees_more_than_its_parts(city: City, honest: Streams) -> None:
    for plant in city.plants:
        parts = [honest.meter(meter.meter_id).kw for line in plant.lines for meter in line.meters]
        main = honest.meter(plant.total_meter.meter_id).kw
        assert (main >= np.sum(parts, axis=0) - 0.5).all()


def test_energy_is_power_times_time(honest: Streams) -> None:
    meter = honest.sites[0].power[0]
    np.testing.assert_allclose(meter.kwh(), meter.kw * 0.5, atol=0.001)


def test_every_truck_that_comes_in_goes_out(honest: Streams) -> None:
    for site in honest.sites:
        passages = site.passages
        way = pl.when(pl.col("direction") == "in").then(1).otherwise(-1)
        balance = passages.group_by("plate").agg(way.sum().alias("inside"))["inside"].to_list()
        assert set(balance) <= {0, 1}  # 1: still inside at the end
        assert sum(balance) < 20


def test_more_trucks_come_while_the_plant_produces(city: City, honest: Streams) -> None:
    plant = next(p for p in city.plants if p.lines[0].industry.id == "coating")
    site = next(s for s in honest.sites if s.site_id == plant.site.site_id)
    local = site.passages["time"].dt.convert_time_zone("Asia/Shanghai").dt.hour().to_numpy()
    assert ((local >= 7) & (local < 23)).mean() > 0.9


def test_capture_rates_of_honest_plants_meet_the_requirement(honest: Streams) -> None:
    for outlet in honest.outlets():
        block = outlet.hours
        for row, code in enumerate(block.factors):
            if factor(code).kind == "pollutant":
                running = block.condition[row] != STOPPED
                assert _sound(block, row)[running].mean() > 0.8


@pytest.mark.parametrize("factor_code", ["a21026", "a21002"])
def test_concentrations_are_autocorrelated_and_never_frozen(honest: Streams, factor_code: str) -> None:
    block = honest.sites[0].outlets[0].minutes
    row = block.row(factor_code)
    values: Floats = block.avg[row][_sound(block, row)]
    assert np.corrcoef(values[:-1], values[1:])[0, 1] > 0.5
    longest = max(len(run) for run in np.split(values, np.flatnonzero(np.diff(values)) + 1))
    assert longest <= 4
