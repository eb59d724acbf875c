"""A small city for the storage tests."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.registry import (
    Alert,
    AlertLevel,
    Basis,
    Device,
    DeviceState,
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

STEEL, CEMENT = SiteId("steel"), SiteId("cement")
SINTER, KILN = OutletId("steel-sinter"), OutletId("cement-kiln")
SO2 = FactorCode("a21026")
MN_SINTER, MN_KILN = "010000A8900016F000169DC0", "88888880000001"


def city() -> Registry:
    """Two plants, every kind of entry, in the order `load_registry` gives them."""
    start, end = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 7, 3, tzinfo=UTC)
    return Registry(
        sites=(
            Site(CEMENT, "水泥厂", "cement", "421000", 112.2, 30.3, "B"),
            Site(STEEL, "钢铁厂", "steel", "420100"),
        ),
        outlets=(
            Outlet(KILN, CEMENT, "窑尾", "cement_kiln", 10.0, MN_KILN),
            Outlet(SINTER, STEEL, "烧结机头", "sinter", 16.0, MN_SINTER, "hj212_2017"),
        ),
        limits=(
            Limit(KILN, SO2, 100.0, Basis.CONVERTED, "hour", None, end),
            Limit(KILN, SO2, 50.0, Basis.CONVERTED, "hour", end, None),
            Limit(SINTER, SO2, 35.0),
        ),
        meters=(
            Meter(MeterId("m1"), STEEL, MeterRole.PRODUCTION, "sinter", 4000.0),
            Meter(MeterId("m2"), STEEL, MeterRole.TREATMENT, "sinter", 800.0, SINTER),
        ),
        gates=(Gate(GateId("g1"), STEEL, "货运门"),),
        marks=(Mark(SINTER, start, end, "stopped", start),),
        alerts=(Alert("420100", AlertLevel.ORANGE, start, end),),
        measures=(Measure(STEEL, "sinter", AlertLevel.ORANGE, MeasureKind.LIMIT, 30.0),),
    )


def devices() -> list[Device]:
    return [
        Device(
            MN_SINTER, SINTER, STEEL, DeviceState.ACTIVE, "123456", "2017", "hj75", ("modbus",), bytes(16)
        ),
        Device(MN_KILN, KILN, CEMENT, DeviceState.SUSPENDED),
    ]
