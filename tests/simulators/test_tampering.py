"""Each act changes exactly its own interval, what it claims to change, and is recorded."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from domain.clock import to_microseconds
from domain.standards import CONDITION_CODES, Condition
from simulators.city import City
from simulators.errors import SimulationError
from simulators.measured import OXYGEN
from simulators.plant import PlantPlan
from simulators.streams import Block, SiteStreams, Streams
from simulators.tampering import (
    Act,
    ConstantValue,
    CrossReplay,
    HoursEdited,
    MarkedStopped,
    OffsetReplay,
    Replay,
    TreatmentIdling,
    TreatmentOff,
    WrongReference,
)
from tests.simulators.conftest import END, START

VALID = CONDITION_CODES[Condition.VALID]
PLANES = ("avg", "min", "max", "converted_avg", "total", "condition")


def _plant_of(city: City, act: Act) -> PlantPlan:
    return next(plant for plant in city.plants if plant.site.site_id == act.site_id)


def _changed(before: Block, after: Block) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(factors, intervals): where any plane differs."""
    differs = [
        ~(
            (getattr(before, p) == getattr(after, p))
            | (np.isnan(getattr(before, p)) & np.isnan(getattr(after, p)))
        )
        for p in PLANES
    ]
    return np.asarray(np.logical_or.reduce(differs), np.bool_)


def _alone(city: City, act: Act) -> SiteStreams:
    plant = replace(_plant_of(city, act), acts=(act,))
    return next(replace(city, plants=(plant,)).sites(START, END))


def _act(city: City, kind: type[Act]) -> Act:
    return next(act for act in city.acts if type(act) is kind)


def _site(streams: Streams, act: Act) -> SiteStreams:
    return next(site for site in streams.sites if site.site_id == act.site_id)


def _block(streams: SiteStreams, act: Act) -> Block:
    return next(o for o in streams.outlets if o.outlet_id == act.outlet_id).minutes


def _span(block: Block, act: Act) -> slice:
    first, last = ((to_microseconds(t) - block.start_us) // block.step_us for t in (act.start, act.end))
    return slice(first, last)


def test_every_act_changes_nothing_outside_its_interval_and_something_inside(
    city: City, honest: Streams
) -> None:
    for act in city.acts:
        after, before = _alone(city, act), _site(honest, act)
        touched = False
        for was, now in zip(before.outlets, after.outlets, strict=True):
            for old, new in ((was.minutes, now.minutes), (was.hours, now.hours)):
                changed = np.asarray(_changed(old, new).any(axis=0))
                span = _span(old, act)
                if was.outlet_id == act.outlet_id:
                    touched |= bool(changed[span].any())
                    changed[span] = False
                assert not changed.any(), f"{act.kind} changed rows outside {act.start} to {act.end}"
        for meter_before, meter_after in zip(before.power, after.power, strict=True):
            differs = meter_before.kw != meter_after.kw
            times = meter_before.times_us()
            inside = (times >= to_microseconds(act.start)) & (times < to_microseconds(act.end))
            touched |= bool(differs.any())
            assert not differs[~inside].any()
        assert before.passages.equals(after.passages)
        assert touched, f"{act.kind} did nothing"


def test_only_the_named_factors_are_touched(city: City, honest: Streams) -> None:
    act = _act(city, ConstantValue)
    changed = _changed(_block(_site(honest, act), act), _block(_alone(city, act), act))
    names = {f for f, row in zip(_block(_site(honest, act), act).factors, changed, strict=True) if row.any()}
    assert names == set(act.factors)


def test_a_constant_value_is_constant_where_it_is_valid(city: City) -> None:
    act = _act(city, ConstantValue)
    block = _block(_alone(city, act), act)
    for code in act.factors:
        row, span = block.row(code), _span(block, act)
        values = block.avg[row, span][block.condition[row, span] == VALID]
        assert len(set(values.tolist())) == 1
        assert values[0] > 0


@pytest.mark.parametrize(("kind", "offset"), [(Replay, 0.0), (OffsetReplay, 3.0), (CrossReplay, 0.0)])
def test_a_replay_repeats_its_source(city: City, kind: type[Replay], offset: float) -> None:
    act = _act(city, kind)
    assert isinstance(act, Replay)
    streams = _alone(city, act)
    block, span = _block(streams, act), _span(_block(streams, act), act)
    source = next(o for o in streams.outlets if o.outlet_id == (act.source_outlet or act.outlet_id)).minutes
    first = (to_microseconds(act.source_start) - source.start_us) // source.step_us
    for code in act.factors:
        row, origin = block.row(code), source.row(code)
        copied = source.avg[origin, first : first + span.stop - span.start]
        both = (block.condition[row, span] == VALID) & (copied > 0)
        assert both.mean() > 0.8
        np.testing.assert_allclose(block.avg[row, span][both] - copied[both], offset, atol=1e-9)


def test_treatment_off_leaves_production_and_the_hidden_stack_alone(city: City, honest: Streams) -> None:
    act = next(a for a in city.acts if isinstance(a, TreatmentOff) and not a.visible)
    before, after = _site(honest, act), _alone(city, act)
    production, treatment = f"{act.outlet_id}-P1", f"{act.outlet_id}-T"
    inside = slice(
        *(
            (to_microseconds(t) - before.power[0].start_us) // before.power[0].step_us
            for t in (act.start, act.end)
        )
    )
    for was, now in zip(before.power, after.power, strict=True):
        if was.meter_id == production:
            np.testing.assert_array_equal(was.kw, now.kw)
        elif was.meter_id.startswith(treatment):
            assert (now.kw[inside] < 0.05 * was.kw[inside].max()).all()
    assert not _changed(_block(before, act), _block(after, act)).any()


def test_visible_treatment_off_raises_what_the_stack_shows(city: City, honest: Streams) -> None:
    act = next(a for a in city.acts if isinstance(a, TreatmentOff) and a.visible)
    before, after = _block(_site(honest, act), act), _block(_alone(city, act), act)
    row, span = before.row("a34013"), _span(before, act)
    valid = before.condition[row, span] == VALID
    assert (after.avg[row, span][valid] > 5 * before.avg[row, span][valid]).all()


def test_idling_treatment_draws_a_share_of_its_power(city: City, honest: Streams) -> None:
    act = _act(city, TreatmentIdling)
    assert isinstance(act, TreatmentIdling)
    meter_id = f"{act.outlet_id}-T1"
    was, now = (
        next(m for m in s.power if m.meter_id == meter_id) for s in (_site(honest, act), _alone(city, act))
    )
    inside = was.kw != now.kw
    np.testing.assert_allclose(now.kw[inside] / was.kw[inside], act.power_share, rtol=0.01)


def test_marked_stopped_says_f_while_gas_flows_and_enters_a_mark(city: City) -> None:
    act = _act(city, MarkedStopped)
    block = _block(_alone(city, act), act)
    span = _span(block, act)
    shown = block.condition[:, span]
    assert set(np.unique(shown)) <= {CONDITION_CODES[Condition.STOPPED], CONDITION_CODES[Condition.MISSING]}
    assert np.nanmedian(block.avg[block.row("a00000"), span]) > 5
    assert any(m.outlet_id == act.outlet_id and m.start == act.start for m in city.registry.marks)
    assert not any(m.start == act.start and m.end == act.end for m in city.without_acts().registry.marks)


def test_a_wrong_reference_folds_by_the_wrong_number(city: City, honest: Streams) -> None:
    act = _act(city, WrongReference)
    before, after = _block(_site(honest, act), act), _block(_alone(city, act), act)
    row, span = before.row("a21026"), _span(before, act)
    ratio = after.converted_avg[row, span] / before.converted_avg[row, span]
    assert np.nanmedian(ratio) == pytest.approx((21 - 18) / (21 - 16), rel=0.01)
    np.testing.assert_array_equal(after.avg[after.row(OXYGEN)], before.avg[before.row(OXYGEN)])


def test_edited_hours_leave_their_minutes_as_they_were(city: City, honest: Streams) -> None:
    act = _act(city, HoursEdited)
    before, after = _site(honest, act), _alone(city, act)
    assert not _changed(_block(before, act), _block(after, act)).any()
    hours = next(o for o in after.outlets if o.outlet_id == act.outlet_id).hours
    was = next(o for o in before.outlets if o.outlet_id == act.outlet_id).hours
    assert _changed(was, hours).any()


def test_an_act_needs_full_hours(city: City) -> None:
    act = city.acts[0]
    with pytest.raises(SimulationError, match="full hours"):
        replace(act, start=act.start + timedelta(minutes=10))
    with pytest.raises(SimulationError, match="full hours"):
        replace(act, end=act.start)


def test_every_act_is_recorded_as_what_it_is(city: City) -> None:
    for act, truth in zip(city.acts, city.truths(), strict=True):
        assert (truth.kind, truth.outlet_id, truth.start, truth.end) == (
            act.kind,
            act.outlet_id,
            act.start,
            act.end,
        )
        assert truth.factors == act.factors
        assert 0 < truth.severity <= 1
    tampering = {act.site_id for act in city.acts}
    assert 0.25 < len(tampering) / len(city.plants) < 0.5
