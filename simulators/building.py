"""Plants from a few words: outlets, devices, meters, gates, limits and instruments of a site."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from domain.registry import (
    Basis,
    Device,
    DeviceState,
    FactorCode,
    Gate,
    GateId,
    Limit,
    Meter,
    MeterId,
    MeterRole,
    Outlet,
    OutletId,
    Site,
    SiteId,
)
from domain.standards import factor
from simulators.industry import Industry, industry
from simulators.instrument import InstrumentPlan
from simulators.load import Curtailment
from simulators.noise import Dice
from simulators.plant import LinePlan, PlantPlan
from simulators.power import rated_production_kw, rated_treatment_kw
from simulators.timeline import STEPS_PER_DAY

FLAG_DICTIONARIES = {"2005": "hj212_2005", "2017": "hj212_2017", "2025": "hj212_2025"}


@dataclass(frozen=True)
class SiteWords:
    """What has to be said of a plant; the rest follows from its industry and the dice."""

    site: Site
    industry: str
    lines: int
    size: float
    edition: str
    gates: int


def build_plant(dice: Dice, words: SiteWords, curtailments: tuple[Curtailment, ...] = ()) -> PlantPlan:
    """`curtailments` apply to every line."""
    kind = industry(words.industry)
    site_id = words.site.site_id
    generator = dice.of(site_id, "plan").generator()
    lines = tuple(_line(generator, words, kind, number, curtailments) for number in range(1, words.lines + 1))
    metered = sum(meter.rated_kw or 0 for line in lines for meter in line.meters)
    names = ("物流东门", "物流西门", "北门")
    return PlantPlan(
        words.site,
        lines,
        Meter(MeterId(f"{site_id}-E0"), site_id, MeterRole.TOTAL, "", round(metered * 1.1)),
        tuple(Gate(GateId(f"{site_id}-G{n + 1}"), site_id, names[n]) for n in range(words.gates)),
    )


def _line(
    generator: np.random.Generator,
    words: SiteWords,
    kind: Industry,
    number: int,
    curtailments: tuple[Curtailment, ...],
) -> LinePlan:
    site_id = words.site.site_id
    outlet_id = OutletId(f"{site_id}-DA{number:03d}")
    size = round(words.size * float(generator.uniform(0.92, 1.08)), 3)
    place = f"{_digits(site_id):0>6}{number:02d}"
    # EPC-96 in 24 characters since 2017, 14 characters before
    region = words.site.region_code
    mn = f"{region}{place}" if words.edition == "2005" else f"{region}A890{place}".ljust(24, "0")
    dictionary = FLAG_DICTIONARIES[words.edition]
    outlet = Outlet(
        outlet_id,
        site_id,
        f"{number}号排口",
        kind.source_type,
        kind.source.reference_o2_percent,
        mn,
        dictionary,
    )
    device = Device(
        mn,
        outlet_id,
        site_id,
        DeviceState.ACTIVE,
        f"{generator.integers(10**6):06d}",
        words.edition,
        dictionary,
    )
    folded = kind.source.reference_o2_percent is not None
    limits = tuple(
        Limit(
            outlet_id,
            pollutant.factor,
            kind.source.limits[pollutant.factor],
            Basis.CONVERTED if folded and factor(pollutant.factor).converted else Basis.MEASURED,
        )
        for pollutant in kind.pollutants
    )
    return LinePlan(
        outlet,
        device,
        kind,
        limits,
        _meters(outlet, kind, size, f"{number}号线"),
        size,
        float(generator.uniform(0.85, 1.05)),
        _instrument(generator, kind),
        curtailments,
    )


def _meters(outlet: Outlet, kind: Industry, size: float, line: str) -> tuple[Meter, ...]:
    def meter(name: str, role: MeterRole, rated_kw: float, outlet_id: OutletId | None) -> Meter:
        return Meter(MeterId(f"{outlet.outlet_id}-{name}"), outlet.site_id, role, line, rated_kw, outlet_id)

    units = kind.treatment_units + kind.spare_units
    rated = rated_treatment_kw(kind, size)
    return (
        meter("P1", MeterRole.PRODUCTION, rated_production_kw(kind, size), None),
        *(meter(f"T{n + 1}", MeterRole.TREATMENT, rated, outlet.outlet_id) for n in range(units)),
    )


def _instrument(generator: np.random.Generator, kind: Industry) -> InstrumentPlan:
    resolution: dict[FactorCode, float] = {}
    draws = generator.random(3)
    if draws[0] < 0.5:
        resolution[FactorCode("a34013")] = 0.1
    if draws[1] < 0.15:
        resolution[FactorCode("a01014")] = 0.1
    if kind.id == "gas_boiler":
        resolution[FactorCode("a21026")] = 1.0 if draws[2] < 0.5 else 0.5
    return InstrumentPlan(
        resolution,
        calibration_step=int(generator.integers(0, STEPS_PER_DAY // 4)),
        calibration_steps=int(generator.choice([1, 2], p=[0.7, 0.3])),
        maintenance_weekday=int(generator.integers(0, 5)),
        fault_gap_days=float(generator.uniform(30, 80)),
        outage_gap_days=float(generator.uniform(25, 70)),
    )


def _digits(site_id: SiteId) -> str:
    return "".join(character for character in site_id if character.isdigit())[-6:]
