"""A province of any size, for load and for the yardstick: plants drawn by chance, acts drawn among them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from domain.registry import Site, SiteId
from simulators.building import SiteWords, build_plant
from simulators.city import City
from simulators.demo_city import HISTORY, declared
from simulators.errors import SimulationError
from simulators.noise import Dice
from simulators.plant import PlantPlan
from simulators.planting import PLANTERS, Ground
from simulators.tampering import Act
from simulators.timeline import Timeline

#: industry -> (share of the plants, most lines of one plant)
MIX = {
    "coal_power": (0.12, 3),
    "cement": (0.14, 2),
    "steel": (0.14, 3),
    "glass": (0.08, 2),
    "ceramics": (0.16, 2),
    "waste": (0.08, 3),
    "gas_boiler": (0.20, 2),
    "coating": (0.08, 2),
}
EDITIONS = (("2017", 0.75), ("2025", 0.15), ("2005", 0.10))
#: Lines that stop every night, or fold nothing, cannot do these.
NEEDS_LONG_RUNS = frozenset(
    {"constant_value", "replay", "offset_replay", "cross_replay", "marked_stopped", "capture_rate_loss"}
)
NEEDS_FOLDING = frozenset({"wrong_reference", "oxygen_forged_low"})


def province(
    seed: int, outlets: int, start: datetime, tampered_share: float = 0.2, period: timedelta = HISTORY
) -> City:
    """Plants with `outlets` outlets in all from `start` (a full hour) on; a share of them does one act."""
    dice = Dice(seed, ("province",))
    timeline = Timeline.between(start, start + period)
    plants: list[PlantPlan] = []
    left = outlets
    number = 0
    while left > 0:
        number += 1
        plant = _plant(dice, number, left)
        left -= len(plant.lines)
        acts = _acts(dice, timeline, plant, tampered_share)
        plants.append(replace(plant, acts=acts, marks=declared(Dice(seed), timeline, plant)))
    return City(seed, start, tuple(plants), (), 60)


def _plant(dice: Dice, number: int, most_lines: int) -> PlantPlan:
    generator = dice.of(str(number)).generator()
    names = list(MIX)
    industry = names[int(generator.choice(len(names), p=[share for share, _ in MIX.values()]))]
    lines = min(int(generator.integers(1, MIX[industry][1] + 1)), most_lines)
    edition = EDITIONS[int(generator.choice(len(EDITIONS), p=[share for _, share in EDITIONS]))][0]
    site = Site(
        SiteId(f"PV{number:05d}"),
        f"示例企业{number:05d}",
        industry,
        f"99{int(generator.integers(1, 15)):02d}{int(generator.integers(1, 9)):02d}",
        round(float(generator.uniform(111, 115)), 4),
        round(float(generator.uniform(28, 32)), 4),
        str(generator.choice(["A", "B", "C", "D"])),
    )
    size = float(generator.uniform(0.5, 1.4))
    return build_plant(dice, SiteWords(site, industry, lines, size, edition, int(generator.integers(1, 3))))


def _acts(dice: Dice, timeline: Timeline, plant: PlantPlan, share: float) -> tuple[Act, ...]:
    generator = dice.of(plant.site.site_id, "acts").generator()
    if generator.random() >= share:
        return ()
    line = int(generator.integers(len(plant.lines)))
    kinds = [kind for kind in PLANTERS if _can(kind, plant, line)]
    kind = kinds[int(generator.integers(len(kinds)))]
    where = float(generator.uniform(0.15, 0.8))
    try:
        return (PLANTERS[kind](Ground(Dice(dice.seed), timeline, plant, line), where),)
    except SimulationError:  # this line never runs long enough in this period: it stays honest
        return ()


def _can(kind: str, plant: PlantPlan, line: int) -> bool:
    industry = plant.lines[line].industry
    if kind == "cross_replay" and line == 0:
        return False
    if kind in NEEDS_LONG_RUNS and industry.pattern == "shift":
        return False
    return not (kind in NEEDS_FOLDING and industry.source.reference_o2_percent is None)
