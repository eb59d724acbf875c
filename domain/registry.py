"""Who is watched: sites, their outlets, devices, meters and gates, and what was decided for them.

All times are aware UTC. Ids are the regulator's own text ids, stable across systems.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType

SiteId = NewType("SiteId", str)
OutletId = NewType("OutletId", str)
MeterId = NewType("MeterId", str)
GateId = NewType("GateId", str)
FactorCode = NewType("FactorCode", str)


class MeterRole(StrEnum):
    PRODUCTION = "production"  # 产污
    TREATMENT = "treatment"  # 治污
    TOTAL = "total"


class DeviceState(StrEnum):
    PENDING = "pending"  # seen, kept, not used
    ACTIVE = "active"
    SUSPENDED = "suspended"


class AlertLevel(StrEnum):
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"


class MeasureKind(StrEnum):
    STOP = "stop"  # 停产
    LIMIT = "limit"  # 限产
    ROTATE = "rotate"  # 轮停


class Basis(StrEnum):
    """Which concentration a limit is compared with."""

    MEASURED = "measured"  # 实测
    CONVERTED = "converted"  # 折算 to the reference O2


@dataclass(frozen=True)
class Site:
    """企业."""

    site_id: SiteId
    name: str
    industry: str = ""
    region_code: str = ""
    lon: float | None = None
    lat: float | None = None
    grade: str = ""  # performance grade A/B/C/D/leading


@dataclass(frozen=True)
class Outlet:
    """排口. `reference_o2_percent` None: no conversion is defined for this source."""

    outlet_id: OutletId
    site_id: SiteId
    name: str = ""
    source_type: str = ""
    reference_o2_percent: float | None = None
    mn: str = ""
    flag_dictionary: str = "hj75"  # id in domain/data/flags.toml


@dataclass(frozen=True)
class Device:
    """数采仪, known by its MN. `accepted_crc` names the CRC kinds taken from it beside `hj212`."""

    mn: str
    outlet_id: OutletId | None
    site_id: SiteId | None
    state: DeviceState
    password: str | None = None  # the PW field: identification in clear, not a secret; None accepts any
    edition: str | None = None  # '2005' | '2017' | '2025'; None: by the Flag bits of each frame
    flag_dictionary: str = "hj212_2017"
    accepted_crc: tuple[str, ...] = ()
    sm4_key: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Limit:
    """One limit of one factor at one outlet, mg/m³; valid_to is exclusive, None = open."""

    outlet_id: OutletId
    factor: FactorCode
    limit_mg_m3: float
    basis: Basis = Basis.CONVERTED
    averaging: str = "hour"  # hour | day
    valid_from: datetime | None = None
    valid_to: datetime | None = None


@dataclass(frozen=True)
class Meter:
    """用电监测点. A treatment meter names the outlet whose gas it treats."""

    meter_id: MeterId
    site_id: SiteId
    role: MeterRole
    line: str = ""
    rated_kw: float | None = None
    outlet_id: OutletId | None = None


@dataclass(frozen=True)
class Gate:
    """门禁点."""

    gate_id: GateId
    site_id: SiteId
    name: str = ""


@dataclass(frozen=True)
class Mark:
    """企业标记: what the plant itself declared about an interval (marker rules of 2022)."""

    outlet_id: OutletId
    start: datetime
    end: datetime
    kind: str
    entered_at: datetime | None = None


@dataclass(frozen=True)
class Alert:
    """重污染预警 of a region."""

    region_code: str
    level: AlertLevel
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Measure:
    """应急减排措施 of one line at one alert level; `limit_percent` is the share of energy to be cut."""

    site_id: SiteId
    line: str
    level: AlertLevel
    kind: MeasureKind
    limit_percent: float | None = None


@dataclass(frozen=True)
class Registry:
    """Everything known about a set of sites, as loaded from a bundle or the database."""

    sites: tuple[Site, ...] = ()
    outlets: tuple[Outlet, ...] = ()
    limits: tuple[Limit, ...] = ()
    meters: tuple[Meter, ...] = ()
    gates: tuple[Gate, ...] = ()
    marks: tuple[Mark, ...] = ()
    alerts: tuple[Alert, ...] = ()
    measures: tuple[Measure, ...] = ()

    def of_site(self, site_id: SiteId) -> Registry:
        """The part that concerns one site (alerts of its region included)."""
        sites = tuple(s for s in self.sites if s.site_id == site_id)
        outlets = tuple(o for o in self.outlets if o.site_id == site_id)
        own = {o.outlet_id for o in outlets}
        regions = {s.region_code for s in sites}
        return Registry(
            sites=sites,
            outlets=outlets,
            limits=tuple(x for x in self.limits if x.outlet_id in own),
            meters=tuple(m for m in self.meters if m.site_id == site_id),
            gates=tuple(g for g in self.gates if g.site_id == site_id),
            marks=tuple(m for m in self.marks if m.outlet_id in own),
            alerts=tuple(a for a in self.alerts if a.region_code in regions),
            measures=tuple(m for m in self.measures if m.site_id == site_id),
        )
