"""澜江市, the city of the demo: 22 fictional plants, about a third of which tamper."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from domain.clock import floor_hour
from domain.registry import Alert, AlertLevel, Mark, Measure, MeasureKind, Site, SiteId
from simulators.building import SiteWords, build_plant
from simulators.city import City
from simulators.industry import industry
from simulators.load import Curtailment, State, runs_of_states
from simulators.noise import Dice
from simulators.plant import PlantPlan, operations
from simulators.planting import PLANTERS, Ground, treatment_off
from simulators.tampering import Act
from simulators.timeline import STEPS_PER_HOUR, Timeline

FILE = Path(__file__).parent / "data" / "demo_city.toml"
#: The history the acts are spread over.
HISTORY = timedelta(days=92)
CURTAILED_INDUSTRIES = ("cement", "steel")
CURTAILED_SHARE = 0.66
#: Where the live act happens: small plants that run day and night.
LIVE_INDUSTRIES = ("ceramics", "glass")


@dataclass(frozen=True)
class Planting:
    """An act of `kind` on line `line` of site number `site` (both from 1), at `share` of the history."""

    site: int
    line: int
    kind: str
    share: float


#: Who does what. Sites not named are honest.
PLANTINGS = (
    Planting(2, 2, "cross_replay", 0.55),
    Planting(5, 1, "treatment_off", 0.30),
    Planting(5, 1, "treatment_off", 0.62),
    Planting(5, 1, "treatment_off_seen", 0.80),
    Planting(8, 1, "replay", 0.45),
    Planting(8, 2, "wrong_reference", 0.70),
    Planting(8, 1, "offset_replay", 0.78),
    Planting(11, 1, "constant_value", 0.25),
    Planting(11, 1, "constant_value", 0.72),
    Planting(12, 2, "marked_stopped", 0.50),
    Planting(14, 1, "treatment_idling", 0.58),
    Planting(14, 1, "hours_edited", 0.95),
    Planting(16, 2, "hours_edited", 0.92),
    Planting(16, 1, "oxygen_forged_low", 0.66),
    Planting(19, 1, "capture_rate_loss", 0.35),
    Planting(6, 2, "clipped_below_limit", 0.20),
)


def demo_city(seed: int, start: datetime, live_from: datetime | None = None, power_minutes: int = 30) -> City:
    """The demo city with its history from `start` (a full hour, aware) on.

    `live_from`: where history ends (absent: after `HISTORY`); the acts are spread over it, and one further
    plant switches its treatment off soon after, for the live view.
    """
    document = tomllib.loads(FILE.read_text(encoding="utf-8"))
    dice = Dice(seed)
    history = HISTORY if live_from is None else floor_hour(live_from) - start
    timeline = Timeline.between(start, start + history)
    alert_start = (start + history * 0.60).replace(minute=0, second=0, microsecond=0)
    alert_end = alert_start + timedelta(hours=84)
    curtailment = Curtailment(timeline.step_of(alert_start), timeline.step_of(alert_end), CURTAILED_SHARE)
    districts = {district["code"]: district for district in document["district"]}
    plants = []
    for number, row in enumerate(document["site"], start=1):
        site_id = SiteId(f"LJ{number:04d}")
        place = dice.of(site_id, "place").generator().normal(0, 0.035, 2)
        district = districts[row["district"]]
        site = Site(
            site_id,
            row["name"],
            industry(row["industry"]).zh,
            row["district"],
            round(district["lon"] + float(place[0]), 4),
            round(district["lat"] + float(place[1]), 4),
            row["grade"],
        )
        gates = 2 if row["industry"] in ("coal_power", "steel", "cement", "waste") else 1
        words = SiteWords(site, row["industry"], row["lines"], row["size"], row["edition"], gates)
        curtailed = row["industry"] in CURTAILED_INDUSTRIES
        plant = build_plant(dice, words, (curtailment,) if curtailed else ())
        if curtailed:
            plant = replace(plant, measures=_measures(plant))
        acts = tuple(
            PLANTERS[p.kind](Ground(dice, timeline, plant, p.line - 1), p.share)
            for p in PLANTINGS
            if p.site == number
        )
        plants.append(replace(plant, acts=acts, marks=declared(dice, timeline, plant)))
    alerts = tuple(Alert(code, AlertLevel.ORANGE, alert_start, alert_end) for code in districts)
    city = City(seed, start, tuple(plants), alerts, power_minutes)
    return city if live_from is None else city.with_acts((live_act(city, live_from),))


def live_act(city: City, now: datetime) -> Act:
    """Treatment off within two hours after `now`, or at the honest plant that runs first after that."""
    timeline = Timeline.between(city.start, now + timedelta(days=3))
    wanted = (timeline.step_of(now) / STEPS_PER_HOUR + 1) / timeline.hours
    honest = (
        plant for plant in city.plants if not plant.acts and plant.lines[0].industry.id in LIVE_INDUSTRIES
    )
    acts = (treatment_off(Ground(Dice(city.seed), timeline, plant, 0), wanted, hours=8) for plant in honest)
    return min((act for act in acts if act.start >= now), key=lambda act: act.start)


def declared(dice: Dice, timeline: Timeline, plan: PlantPlan) -> tuple[Mark, ...]:
    """The marks an honest plant enters: its stops, start-ups and shut-downs, a few hours later."""
    words = {State.STARTING: "starting", State.STOPPING: "stopping", State.STOPPED: "stopped"}
    marks = []
    for line, operation in zip(plan.lines, operations(dice, timeline, plan), strict=True):
        for state, first, last in runs_of_states(operation.state):
            if state in words:
                bounds = timeline.time(first), timeline.time(last)
                marks.append(
                    Mark(line.outlet.outlet_id, *bounds, words[state], bounds[1] + timedelta(hours=3))
                )
    return tuple(marks)


def _measures(plant: PlantPlan) -> tuple[Measure, ...]:
    percent = round(100 * (1 - CURTAILED_SHARE) - 4)  # what is asked; the plant cuts a little more
    lines = sorted({meter.line for line in plant.lines for meter in line.meters})
    return tuple(
        Measure(plant.site.site_id, line, AlertLevel.ORANGE, MeasureKind.LIMIT, percent) for line in lines
    )
