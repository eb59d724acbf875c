"""The registry as the tables of a bundle, both ways."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

from domain.bundle_tables import TABLES
from domain.registry import (
    Alert,
    AlertLevel,
    Basis,
    FactorCode,
    Gate,
    GateId,
    Limit,
    Mark,
    Measure,
    MeasureKind,
    Meter,
    MeterId,
    MeterRole,
    Outlet,
    OutletId,
    Registry,
    Site,
    SiteId,
)


def registry_of(tables: Mapping[str, pl.DataFrame]) -> Registry:
    """Typed tables to a registry. Without a `sites` table the sites are those the other tables name."""

    def rows(name: str) -> Iterable[dict[str, Any]]:
        return tables[name].iter_rows(named=True) if name in tables else ()

    if "sites" in tables:
        sites = tuple(
            Site(
                SiteId(r["site_id"]), r["name"] or r["site_id"], r["industry"] or "", r["region_code"] or "",
                r["lon"], r["lat"], r["grade"] or "",
            )
            for r in rows("sites")
        )  # fmt: skip
    else:
        named = (r["site_id"] for name in ("outlets", "meters", "gates", "measures") for r in rows(name))
        sites = tuple(Site(SiteId(site_id), site_id) for site_id in dict.fromkeys(named))
    return Registry(
        sites=sites,
        outlets=tuple(
            Outlet(
                OutletId(r["outlet_id"]), SiteId(r["site_id"]), r["name"] or "", r["source_type"] or "",
                r["reference_o2"], r["mn"] or "", r["flag_dictionary"] or "hj75",
            )
            for r in rows("outlets")
        ),
        limits=tuple(
            Limit(
                OutletId(r["outlet_id"]), FactorCode(r["factor"]), r["limit"],
                Basis(r["basis"] or Basis.CONVERTED), r["averaging"] or "hour",
                r["valid_from"], r["valid_to"],
            )
            for r in rows("limits")
        ),
        meters=tuple(
            Meter(
                MeterId(r["meter_id"]), SiteId(r["site_id"]), MeterRole(r["role"]), r["line"] or "",
                r["rated_kw"], None if r["outlet_id"] is None else OutletId(r["outlet_id"]),
            )
            for r in rows("meters")
        ),
        gates=tuple(
            Gate(GateId(r["gate_id"]), SiteId(r["site_id"]), r["name"] or "") for r in rows("gates")
        ),
        marks=tuple(
            Mark(OutletId(r["outlet_id"]), r["start"], r["end"], r["kind"], r["entered_at"])
            for r in rows("marks")
        ),
        alerts=tuple(
            Alert(r["region_code"], AlertLevel(r["level"]), r["start"], r["end"]) for r in rows("alerts")
        ),
        measures=tuple(
            Measure(
                SiteId(r["site_id"]), r["line"] or "", AlertLevel(r["level"]), MeasureKind(r["kind"]),
                r["limit_percent"],
            )
            for r in rows("measures")
        ),
    )  # fmt: skip


def tables_of(registry: Registry) -> dict[str, pl.DataFrame]:
    """A registry to typed tables, times UTC; every registry table is there, empty ones included."""
    rows: dict[str, list[tuple[object, ...]]] = {
        "sites": [
            (s.site_id, s.name, s.industry, s.region_code, s.lon, s.lat, s.grade) for s in registry.sites
        ],
        "outlets": [
            (o.outlet_id, o.site_id, o.name, o.source_type, o.reference_o2_percent, o.mn, o.flag_dictionary)
            for o in registry.outlets
        ],
        "limits": [
            (x.outlet_id, x.factor, x.limit_mg_m3, x.basis.value, x.averaging, x.valid_from, x.valid_to)
            for x in registry.limits
        ],
        "meters": [
            (m.meter_id, m.site_id, m.role.value, m.line, m.rated_kw, m.outlet_id) for m in registry.meters
        ],
        "gates": [(g.gate_id, g.site_id, g.name) for g in registry.gates],
        "marks": [(m.outlet_id, m.start, m.end, m.kind, m.entered_at) for m in registry.marks],
        "alerts": [(a.region_code, a.level.value, a.start, a.end) for a in registry.alerts],
        "measures": [
            (m.site_id, m.line, m.level.value, m.kind.value, m.limit_percent) for m in registry.measures
        ],
    }
    return {
        name: pl.DataFrame(values, schema=TABLES[name].schema, orient="row") for name, values in rows.items()
    }
