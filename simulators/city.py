"""A city: plants, its registry, and everything it sends over a period.

A city is realised from its origin every time, so any period of it, asked in any order and up to any later
time, holds the same rows: history and live are one world.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from domain.registry import Alert, Device, Outlet, Registry
from simulators.noise import Dice
from simulators.plant import LinePlan, PlantPlan, run_plant
from simulators.streams import SiteStreams, Streams
from simulators.tampering import Act, Truth
from simulators.timeline import Timeline


@dataclass(frozen=True)
class City:
    """`start` is the origin of its world, a full hour; `power_minutes` the step of its meters (10 to 60)."""

    seed: int
    start: datetime
    plants: tuple[PlantPlan, ...]
    alerts: tuple[Alert, ...] = ()
    power_minutes: int = 30

    @property
    def registry(self) -> Registry:
        lines = [line for plant in self.plants for line in plant.lines]
        return Registry(
            sites=tuple(plant.site for plant in self.plants),
            outlets=tuple(line.outlet for line in lines),
            limits=tuple(limit for line in lines for limit in line.limits),
            meters=tuple(meter for plant in self.plants for meter in plant.meters),
            gates=tuple(gate for plant in self.plants for gate in plant.gates),
            marks=tuple(
                mark
                for plant in self.plants
                for mark in (*plant.marks, *(mark for act in plant.acts for mark in act.marks()))
            ),
            alerts=self.alerts,
            measures=tuple(measure for plant in self.plants for measure in plant.measures),
        )

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple(line.device for line in self.lines())

    @property
    def acts(self) -> tuple[Act, ...]:
        return tuple(act for plant in self.plants for act in plant.acts)

    def lines(self) -> Iterator[LinePlan]:
        for plant in self.plants:
            yield from plant.lines

    def outlets(self) -> Iterator[Outlet]:
        for line in self.lines():
            yield line.outlet

    def truths(self) -> tuple[Truth, ...]:
        """What the acts planted; exceedances are read off the rows (simulators/recorded.py)."""
        return tuple(act.truth() for act in self.acts)

    def with_acts(self, acts: tuple[Act, ...]) -> City:
        """The same city with further acts, after those it has."""
        return replace(
            self,
            plants=tuple(
                replace(
                    plant,
                    acts=(*plant.acts, *(act for act in acts if act.site_id == plant.site.site_id)),
                )
                for plant in self.plants
            ),
        )

    def without_acts(self) -> City:
        """The same city with everybody honest."""
        return replace(self, plants=tuple(replace(plant, acts=()) for plant in self.plants))

    def sites(self, start: datetime, end: datetime) -> Iterator[SiteStreams]:
        """What each plant sends in `[start, end)`, one plant after the other, to hold one at a time."""
        timeline = Timeline.between(self.start, end)
        for plant in self.plants:
            yield run_plant(Dice(self.seed), timeline, plant, self.power_minutes).cut(start, end)

    def simulate(self, start: datetime, end: datetime) -> Streams:
        """What the whole city sends in `[start, end)`, aware times, not before its origin."""
        return Streams(tuple(self.sites(start, end)))
