"""The record of a run: planted acts, exceedances, honest near-misses and exact capture counts, as JSON.

It stands beside a bundle, never inside: no detector may read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from domain.clock import Quarter, from_microseconds, to_microseconds
from domain.registry import Basis, FactorCode, Mark, OutletId
from domain.standards import CONDITION_CODES, Condition, factor
from simulators.city import City
from simulators.errors import SimulationError
from simulators.load import State, runs_of_states
from simulators.noise import Dice
from simulators.plant import LinePlan, PlantPlan, operations
from simulators.streams import Block, OutletStream, Streams
from simulators.tampering import Note, Truth
from simulators.timeline import STEPS_PER_DAY, Timeline

SOUND = (CONDITION_CODES[Condition.VALID], CONDITION_CODES[Condition.OVER_RANGE])
#: Hours that count as captured: the instrument worked, whatever the source did (exempt from limits, not from
#: measuring).
CAPTURED = (*SOUND, *(CONDITION_CODES[c] for c in (Condition.STARTING, Condition.STOPPING, Condition.BANKED)))
EXCEEDANCE = "over_limit"


@dataclass(frozen=True)
class CaptureCount:
    """Hours of one outlet, factor and quarter inside the period, counted from what was sent."""

    outlet_id: OutletId
    factor: FactorCode
    quarter: str
    elapsed_hours: int
    stopped_hours: int
    valid_hours: int

    @property
    def rate(self) -> float | None:
        running = self.elapsed_hours - self.stopped_hours
        return self.valid_hours / running if running else None


@dataclass(frozen=True)
class Record:
    """Over `[start, end)`, aware UTC."""

    seed: int
    start: datetime
    end: datetime
    sites: int
    truths: tuple[Truth, ...]
    notes: tuple[Note, ...]
    capture: tuple[CaptureCount, ...]


def record(city: City, streams: Streams, start: datetime, end: datetime) -> Record:
    """What was true over the period."""
    acts = tuple(truth for truth in city.truths() if truth.start < end and truth.end > start)
    lines = {line.outlet.outlet_id: line for line in city.lines()}
    exceedances = tuple(
        truth for outlet in streams.outlets() for truth in _exceedances(lines[outlet.outlet_id], outlet)
    )
    notes = tuple(note for plant in city.plants for note in _notes(city, plant, start, end))
    marks = [mark for mark in city.registry.marks if mark.kind == "stopped"]
    counts = tuple(count for outlet in streams.outlets() for count in _capture(outlet, marks))
    return Record(city.seed, start, end, len(city.plants), (*acts, *exceedances), notes, counts)


def write_record(path: Path, recorded: Record) -> None:
    text = TypeAdapter(Record).dump_python(recorded, mode="json")
    path.write_text(json.dumps(text, ensure_ascii=False, indent=1), encoding="utf-8")


def read_record(path: Path) -> Record:
    """Raises SimulationError naming the file and the field."""
    try:
        return TypeAdapter(Record).validate_json(path.read_bytes())
    except OSError as error:
        raise SimulationError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise SimulationError(f"{path}: {place or 'the document'}: {first['msg']}") from error


def _exceedances(line: LinePlan, outlet: OutletStream) -> Iterator[Truth]:
    hours = outlet.hours
    for limit in line.limits:
        row = hours.row(limit.factor)
        values = hours.avg[row] if limit.basis is Basis.MEASURED else _folded_hours(outlet, row)
        over = np.isin(hours.condition[row], SOUND) & (values > limit.limit_mg_m3)
        for first, last in _runs(over):
            yield Truth(
                EXCEEDANCE,
                line.outlet.site_id,
                line.outlet.outlet_id,
                (limit.factor,),
                _time(hours, first),
                _time(hours, last),
                float(np.max(values[first:last]) / limit.limit_mg_m3 - 1),
                ("compliance.hour_limit",),
            )


def _folded_hours(outlet: OutletStream, row: int) -> npt.NDArray[np.float64]:
    """The device's folded hours; where O2 failed for part of an hour, the mean of the minutes it folded."""
    hours, minutes = outlet.hours, outlet.minutes
    folded = np.where(np.isin(minutes.condition[row], SOUND), minutes.converted_avg[row], np.nan)
    folded = folded.reshape(hours.size, -1)
    known = ~np.isnan(folded)
    means = np.nansum(folded, axis=1) / np.maximum(known.sum(axis=1), 1)
    means[~known.any(axis=1)] = np.nan
    missing = np.isnan(hours.converted_avg[row])
    means[~missing] = hours.converted_avg[row][~missing]
    return np.asarray(means, np.float64)


def _capture(outlet: OutletStream, stops: Sequence[Mark]) -> Iterator[CaptureCount]:
    """As declared: flags of the hour rows, and a stop that was marked where an hour is missing."""
    hours = outlet.hours
    stopped = np.zeros(hours.size, bool)
    for mark in stops:
        if mark.outlet_id == outlet.outlet_id:
            begins, ends = (
                (to_microseconds(time) - hours.start_us) / hours.step_us for time in (mark.start, mark.end)
            )
            stopped[max(0, math.ceil(begins)) : max(0, math.floor(ends))] = True
    quarters = np.array([str(Quarter.of(from_microseconds(int(t)))) for t in hours.times_us()])
    for row, code in enumerate(hours.factors):
        if factor(code).kind != "pollutant":
            continue
        condition = np.where(
            ~hours.present & stopped, CONDITION_CODES[Condition.STOPPED], hours.condition[row]
        )
        for quarter in sorted(set(quarters.tolist())):
            inside = condition[quarters == quarter]
            yield CaptureCount(
                outlet.outlet_id,
                code,
                quarter,
                inside.size,
                int((inside == CONDITION_CODES[Condition.STOPPED]).sum()),
                int(np.isin(inside, CAPTURED).sum()),
            )


def _notes(city: City, plant: PlantPlan, start: datetime, end: datetime) -> Iterator[Note]:
    timeline = Timeline.between(city.start, end)
    for line, operation in zip(plant.lines, operations(Dice(city.seed), timeline, plant), strict=True):
        who = line.outlet.site_id, line.outlet.outlet_id
        if line.industry.spare_units:
            yield Note("spare_unit", *who, (), start, end, "治污设施一用一备,定期轮换")
        for code, step in line.instrument.resolution.items():
            yield Note("coarse_instrument", *who, (code,), start, end, f"仪器分辨率 {step:g},数值常重复")
        for state, first, last in runs_of_states(operation.state):
            if state is State.STOPPED and last - first >= 2 * STEPS_PER_DAY:
                bounds = max(timeline.time(first), start), min(timeline.time(last), end)
                if bounds[0] < bounds[1]:
                    yield Note("real_stop", *who, (), *bounds, "生产线真实停运")


def _runs(hit: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], hit, [False])).astype(np.int8)))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _time(block: Block, index: int) -> datetime:
    return from_microseconds(block.start_us + index * block.step_us)
