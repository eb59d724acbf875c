"""A plant: what it is made of (plans), and one run of it from load to rows.

Order of a run: load, draught, power; acts on physics; gas and emission; instruments; acts on what is shown;
hour means; acts on hours; folding and totals; acts on folded values.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from domain.clock import MICROSECONDS_PER_HOUR, Interval
from domain.registry import Device, FactorCode, Gate, Limit, Mark, Measure, Meter, Outlet, Site
from simulators.combustion import FlueGas, burn
from simulators.emission import emit
from simulators.industry import Industry
from simulators.instrument import InstrumentPlan, measure
from simulators.load import Curtailment, Operation, operate
from simulators.measured import FLOW, OXYGEN, Measured, finish, hour_means
from simulators.noise import Dice, Floats
from simulators.power import LinePower, draw, office_kw
from simulators.streams import Block, OutletStream, PowerStream, SiteStreams
from simulators.tampering.act import Act, Scene
from simulators.timeline import STEP_US, STEPS_PER_HOUR, Timeline
from simulators.traffic import TrafficPlan, drive


@dataclass(frozen=True)
class LinePlan:
    """One line, its treatment and its stack. `size` and `aim` against the typical line of the industry."""

    outlet: Outlet
    device: Device
    industry: Industry
    limits: tuple[Limit, ...]
    meters: tuple[Meter, ...]  # production first, then the treatment units
    size: float = 1.0
    aim: float = 1.0
    instrument: InstrumentPlan = field(default_factory=InstrumentPlan)
    curtailments: tuple[Curtailment, ...] = ()

    def limit_of(self, factor: str) -> float:
        return next(limit.limit_mg_m3 for limit in self.limits if limit.factor == factor)


@dataclass(frozen=True)
class PlantPlan:
    """`acts` are applied in the order given; `marks` are what the plant declared honestly."""

    site: Site
    lines: tuple[LinePlan, ...]
    total_meter: Meter
    gates: tuple[Gate, ...]
    marks: tuple[Mark, ...] = ()
    measures: tuple[Measure, ...] = ()
    acts: tuple[Act, ...] = ()

    @property
    def meters(self) -> tuple[Meter, ...]:
        return (*(meter for line in self.lines for meter in line.meters), self.total_meter)


@dataclass(frozen=True)
class LineRun:
    """What really happened on a line: the truth no detector sees."""

    operation: Operation
    gas: FlueGas
    power: LinePower
    treated: Floats
    stack: dict[FactorCode, Floats]


def operations(dice: Dice, timeline: Timeline, plan: PlantPlan) -> list[Operation]:
    """How each line runs, without anything else."""
    return [operate(_of(dice, line), timeline, line.industry, line.curtailments) for line in plan.lines]


def run_line(dice: Dice, timeline: Timeline, line: LinePlan, acts: tuple[Act, ...]) -> LineRun:
    """The physics of one line, with the acts that change it."""
    own = _of(dice, line)
    operation = operate(own, timeline, line.industry, line.curtailments)
    power = draw(own, timeline, line.industry, line.size, operation)
    treated = np.ones(timeline.size)
    for act in acts:
        act.on_treatment(timeline.span(act.start, act.end), power.treatment, treated)
    gas = burn(own, timeline, line.industry, line.size, operation)
    limits = {limit.factor: limit.limit_mg_m3 for limit in line.limits}
    reference = line.outlet.reference_o2_percent
    stack = emit(own, timeline, line.industry, line.aim, limits, reference, operation, gas.o2, treated)
    return LineRun(operation, gas, power, treated, stack)


def run_plant(dice: Dice, timeline: Timeline, plan: PlantPlan, power_minutes: int) -> SiteStreams:
    """Everything one plant sends over the timeline, as its devices report it."""
    acts = {line.outlet.outlet_id: _acts_of(timeline, plan, line) for line in plan.lines}
    runs = [run_line(dice, timeline, line, acts[line.outlet.outlet_id]) for line in plan.lines]
    shown = {
        line.outlet.outlet_id: measure(
            _of(dice, line),
            timeline,
            line.instrument,
            line.outlet.flag_dictionary,
            run.operation.state,
            _channels(line, run),
        )
        for line, run in zip(plan.lines, runs, strict=True)
    }
    scene = Scene(timeline, shown)
    outlets = []
    for line in plan.lines:
        for act in acts[line.outlet.outlet_id]:
            act.on_shown(scene)
    for line in plan.lines:
        outlets.append(_report(timeline, line, shown[line.outlet.outlet_id], acts[line.outlet.outlet_id]))
    activity = np.mean([run.operation.load for run in runs], axis=0)
    traffic = TrafficPlan(
        tuple(gate.gate_id for gate in plan.gates),
        sum(line.industry.trucks_per_day * line.size**0.5 for line in plan.lines) / len(plan.lines) ** 0.5,
        plan.lines[0].industry.cargoes_in,
        plan.lines[0].industry.cargoes_out,
    )
    own = dice.of(plan.site.site_id)
    return SiteStreams(
        plan.site.site_id,
        tuple(outlets),
        _meters(own, timeline, plan, runs, power_minutes),
        drive(own.of("traffic"), timeline, traffic, activity),
    )


def _of(dice: Dice, line: LinePlan) -> Dice:
    return dice.of(line.outlet.outlet_id)


def _acts_of(timeline: Timeline, plan: PlantPlan, line: LinePlan) -> tuple[Act, ...]:
    """The acts on this line that begin within the timeline."""
    return tuple(
        act
        for act in plan.acts
        if act.outlet_id == line.outlet.outlet_id and timeline.step_of(act.start) < timeline.size
    )


def _channels(line: LinePlan, run: LineRun) -> dict[FactorCode, Floats]:
    """What the CEMS measures, pollutants first."""
    gas = run.gas
    channels = dict(run.stack)
    if line.outlet.reference_o2_percent is not None:
        channels[OXYGEN] = gas.o2
    named = {
        "a01011": gas.velocity,
        "a01012": gas.temperature,
        "a01013": gas.pressure,
        "a01014": gas.moisture,
    }
    channels |= {FactorCode(code): values for code, values in named.items()}
    channels[FLOW] = gas.flow
    return channels


def _report(timeline: Timeline, line: LinePlan, shown: Measured, acts: tuple[Act, ...]) -> OutletStream:
    hours = hour_means(shown)
    for act in acts:
        act.on_hours(_hours(timeline, act), hours)
    reference = line.outlet.reference_o2_percent
    blocks: list[Block] = []
    for interval, measured, step_us, per_hour in (
        (Interval.MINUTE, shown, STEP_US, STEPS_PER_HOUR),
        (Interval.HOUR, hours, MICROSECONDS_PER_HOUR, 1),
    ):
        folded_to = None if reference is None else np.full(measured.avg.shape[1], reference)
        if folded_to is not None:
            for act in acts:
                span = _hours(timeline, act)
                act.on_reference(slice(span.start * per_hour, span.stop * per_hour), folded_to)
        blocks.append(finish(measured, interval, timeline.origin_us, step_us, folded_to))
    return OutletStream(line.outlet.outlet_id, blocks[0], blocks[1])


def _hours(timeline: Timeline, act: Act) -> slice:
    steps = timeline.span(act.start, act.end)
    return slice(steps.start // STEPS_PER_HOUR, steps.stop // STEPS_PER_HOUR)


def _meters(
    dice: Dice, timeline: Timeline, plan: PlantPlan, runs: list[LineRun], power_minutes: int
) -> tuple[PowerStream, ...]:
    kw: list[tuple[Meter, Floats]] = []
    for line, run in zip(plan.lines, runs, strict=True):
        for meter, values in zip(line.meters, (run.power.production, *run.power.treatment), strict=True):
            kw.append((meter, values))
    known = np.sum([values for _, values in kw], axis=0)
    office = office_kw(dice.of("office"), timeline, 0.04 * float(plan.total_meter.rated_kw or 0))
    kw.append((plan.total_meter, known + office))
    steps = power_minutes * 60_000_000 // STEP_US
    return tuple(
        PowerStream(
            meter.meter_id,
            timeline.origin_us,
            steps * STEP_US,
            np.round(values[: timeline.size // steps * steps].reshape(-1, steps).mean(axis=1), 2),
        )
        for meter, values in kw
    )
