"""Who is watched, in the database: a `Registry`, its devices, the integer keys of the streams, integrators.

Nothing here commits; the transaction is the caller's.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Sequence

from psycopg.rows import TupleRow

from domain.registry import (
    Alert,
    AlertLevel,
    Basis,
    Device,
    DeviceState,
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
from storage.connection import Connection
from storage.errors import UnknownSubject

#: Keys below are those of domain/data/factors.toml.
UNKNOWN_FACTORS_FROM = 1000
UNKNOWN_FACTORS_MAXIMUM = 20_000

_FACTOR_LOCK = 0x6D63_6663  # 'mcfc': one writer at a time names new factors

_SAVE_SITE = """
INSERT INTO site (site_id, name, industry, region_code, lon, lat, grade) VALUES (%s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (site_id) DO UPDATE SET name = excluded.name, industry = excluded.industry,
    region_code = excluded.region_code, lon = excluded.lon, lat = excluded.lat, grade = excluded.grade
"""
_SAVE_OUTLET = """
INSERT INTO outlet (outlet_id, site_id, name, source_type, reference_o2_percent, flag_dictionary)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (outlet_id) DO UPDATE SET site_id = excluded.site_id, name = excluded.name,
    source_type = excluded.source_type, reference_o2_percent = excluded.reference_o2_percent,
    flag_dictionary = excluded.flag_dictionary
"""
_SAVE_LIMIT = """
INSERT INTO outlet_limit (outlet_id, factor, limit_mg_m3, basis, averaging, valid_from, valid_to)
VALUES (%s, %s, %s, %s, %s, coalesce(%s, '-infinity'::timestamptz), coalesce(%s, 'infinity'::timestamptz))
ON CONFLICT (outlet_id, factor, averaging, basis, valid_from) DO UPDATE
SET limit_mg_m3 = excluded.limit_mg_m3, valid_to = excluded.valid_to
"""
_SAVE_METER = """
INSERT INTO meter (meter_id, site_id, role, line, rated_kw, outlet_id) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (meter_id) DO UPDATE SET site_id = excluded.site_id, role = excluded.role, line = excluded.line,
    rated_kw = excluded.rated_kw, outlet_id = excluded.outlet_id
"""
_SAVE_GATE = """
INSERT INTO gate (gate_id, site_id, name) VALUES (%s, %s, %s)
ON CONFLICT (gate_id) DO UPDATE SET site_id = excluded.site_id, name = excluded.name
"""
_SAVE_MARK = """
INSERT INTO mark (outlet_id, starts_at, ends_at, kind, entered_at) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (outlet_id, starts_at, kind) DO UPDATE
SET ends_at = excluded.ends_at, entered_at = excluded.entered_at
"""
_SAVE_ALERT = """
INSERT INTO alert (region_code, level, starts_at, ends_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (region_code, starts_at, level) DO UPDATE SET ends_at = excluded.ends_at
"""
_SAVE_MEASURE = """
INSERT INTO measure (site_id, line, level, kind, limit_percent) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (site_id, line, level, kind) DO UPDATE SET limit_percent = excluded.limit_percent
"""
_SAVE_DEVICE = """
INSERT INTO device (mn, outlet_id, state, password, edition, flag_dictionary, accepted_crc, sm4_key)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (mn) DO UPDATE SET outlet_id = excluded.outlet_id, state = excluded.state,
    password = excluded.password, edition = excluded.edition, flag_dictionary = excluded.flag_dictionary,
    accepted_crc = excluded.accepted_crc, sm4_key = excluded.sm4_key
"""
# a registry that names an MN vouches for it: pending becomes active, suspended stays suspended
_SAVE_OUTLET_MN = """
INSERT INTO device (mn, outlet_id, state) VALUES (%s, %s, 'active')
ON CONFLICT (mn) DO UPDATE SET outlet_id = excluded.outlet_id,
    state = CASE device.state WHEN 'pending' THEN 'active' ELSE device.state END
"""

_WANTED = "SELECT site_id, region_code FROM site WHERE %(sites)s::text[] IS NULL OR site_id = ANY(%(sites)s)"
_LOAD_SITES = """
SELECT site_id, name, industry, site.region_code, lon, lat, grade
FROM site JOIN wanted USING (site_id) ORDER BY site_id
"""
_LOAD_OUTLETS = """
SELECT outlet_id, site_id, name, source_type, reference_o2_percent,
       coalesce((SELECT min(mn) FROM device d WHERE d.outlet_id = o.outlet_id AND state <> 'suspended'), ''),
       flag_dictionary
FROM outlet o JOIN wanted USING (site_id) ORDER BY outlet_id
"""
_LOAD_LIMITS = """
SELECT outlet_id, factor, limit_mg_m3, basis, averaging,
       nullif(valid_from, '-infinity'), nullif(valid_to, 'infinity')
FROM outlet_limit JOIN outlet USING (outlet_id) JOIN wanted USING (site_id)
ORDER BY outlet_id, factor, averaging, basis, valid_from
"""
_LOAD_METERS = """
SELECT meter_id, site_id, role, line, rated_kw, outlet_id
FROM meter JOIN wanted USING (site_id) ORDER BY meter_id
"""
_LOAD_GATES = "SELECT gate_id, site_id, name FROM gate JOIN wanted USING (site_id) ORDER BY gate_id"
_LOAD_MARKS = """
SELECT outlet_id, starts_at, ends_at, kind, entered_at
FROM mark JOIN outlet USING (outlet_id) JOIN wanted USING (site_id) ORDER BY outlet_id, starts_at, kind
"""
_LOAD_ALERTS = """
SELECT region_code, level, starts_at, ends_at FROM alert
WHERE region_code IN (SELECT region_code FROM wanted) ORDER BY region_code, starts_at, level
"""
_LOAD_MEASURES = """
SELECT site_id, line, level, kind, limit_percent
FROM measure JOIN wanted USING (site_id) ORDER BY site_id, line, level, kind
"""


def save_registry(connection: Connection, registry: Registry, devices: Sequence[Device] = ()) -> None:
    """Add or update everything given; what is not given stays. Saving twice changes nothing.

    An outlet that names an MN which is not among `devices` gets an active device of that MN.
    """
    described = {device.mn for device in devices}
    r = registry
    batches: dict[str, list[tuple[object, ...]]] = {
        _SAVE_SITE: [(s.site_id, s.name, s.industry, s.region_code, s.lon, s.lat, s.grade) for s in r.sites],
        _SAVE_OUTLET: [
            (o.outlet_id, o.site_id, o.name, o.source_type, o.reference_o2_percent, o.flag_dictionary)
            for o in r.outlets
        ],
        _SAVE_LIMIT: [
            (x.outlet_id, x.factor, x.limit_mg_m3, x.basis, x.averaging, x.valid_from, x.valid_to)
            for x in r.limits
        ],
        _SAVE_METER: [(m.meter_id, m.site_id, m.role, m.line, m.rated_kw, m.outlet_id) for m in r.meters],
        _SAVE_GATE: [(g.gate_id, g.site_id, g.name) for g in r.gates],
        _SAVE_MARK: [(m.outlet_id, m.start, m.end, m.kind, m.entered_at) for m in r.marks],
        _SAVE_ALERT: [(a.region_code, a.level, a.start, a.end) for a in r.alerts],
        _SAVE_MEASURE: [(m.site_id, m.line, m.level, m.kind, m.limit_percent) for m in r.measures],
        _SAVE_DEVICE: [
            (
                d.mn,
                d.outlet_id,
                d.state,
                d.password,
                d.edition,
                d.flag_dictionary,
                list(d.accepted_crc),
                d.sm4_key,
            )
            for d in devices
        ],
        _SAVE_OUTLET_MN: [(o.mn, o.outlet_id) for o in r.outlets if o.mn and o.mn not in described],
    }
    with connection.cursor() as cursor:
        for statement, rows in batches.items():
            if rows:
                cursor.executemany(statement.encode(), rows)


def load_registry(connection: Connection, site_ids: Sequence[SiteId] | None = None) -> Registry:
    """Everything known about these sites, None: about all; each kind ordered by its id.

    Alerts are those of the sites' regions. `Outlet.mn` is the first MN of the outlet that is not suspended.
    """

    def rows(query: str) -> list[TupleRow]:
        wanted = None if site_ids is None else list(site_ids)
        statement = f"WITH wanted AS ({_WANTED}) {query}"
        return connection.execute(statement.encode(), {"sites": wanted}).fetchall()

    return Registry(
        sites=tuple(Site(*row) for row in rows(_LOAD_SITES)),
        outlets=tuple(Outlet(*row) for row in rows(_LOAD_OUTLETS)),
        limits=tuple(
            Limit(outlet, factor, limit, Basis(basis), averaging, start, end)
            for outlet, factor, limit, basis, averaging, start, end in rows(_LOAD_LIMITS)
        ),
        meters=tuple(
            Meter(meter, site, MeterRole(role), line, rated_kw, outlet)
            for meter, site, role, line, rated_kw, outlet in rows(_LOAD_METERS)
        ),
        gates=tuple(Gate(*row) for row in rows(_LOAD_GATES)),
        marks=tuple(Mark(*row) for row in rows(_LOAD_MARKS)),
        alerts=tuple(
            Alert(region, AlertLevel(level), start, end) for region, level, start, end in rows(_LOAD_ALERTS)
        ),
        measures=tuple(
            Measure(site, line, AlertLevel(level), MeasureKind(kind), percent)
            for site, line, level, kind, percent in rows(_LOAD_MEASURES)
        ),
    )


def load_devices(connection: Connection) -> list[Device]:
    """All devices, pending ones too, by MN."""
    rows = connection.execute(
        "SELECT mn, outlet_id, site_id, state, password, edition, device.flag_dictionary, accepted_crc,"
        " sm4_key FROM device LEFT JOIN outlet USING (outlet_id) ORDER BY mn"
    )
    return [
        Device(mn, outlet, site, DeviceState(state), password, edition, flags, tuple(crc), key)
        for mn, outlet, site, state, password, edition, flags, crc, key in rows
    ]


def ensure_pending_devices(connection: Connection, mns: Iterable[str]) -> dict[str, int]:
    """MN -> device_key for all of these; an MN never seen before becomes a pending device."""
    wanted = sorted(set(mns))
    known = _device_keys(connection, wanted)
    if len(known) < len(wanted):
        connection.execute(
            "INSERT INTO device (mn) SELECT unnest(%s::text[]) ON CONFLICT (mn) DO NOTHING",
            ([mn for mn in wanted if mn not in known],),
        )
        known = _device_keys(connection, wanted)
    return known


def approve_device(connection: Connection, mn: str, outlet_id: OutletId) -> None:
    """Let a device speak for an outlet. Raises UnknownSubject when either is not there."""
    if connection.execute("SELECT 1 FROM outlet WHERE outlet_id = %s", (outlet_id,)).fetchone() is None:
        raise UnknownSubject(f"no outlet {outlet_id!r}; import the registry first")
    done = connection.execute(
        "UPDATE device SET outlet_id = %s, state = 'active' WHERE mn = %s", (outlet_id, mn)
    )
    if done.rowcount == 0:
        raise UnknownSubject(f"no device with MN {mn!r} has been seen or registered")


def outlet_keys(connection: Connection) -> dict[OutletId, int]:
    """outlet_id -> outlet_key of the stream tables."""
    return dict(connection.execute("SELECT outlet_id, outlet_key FROM outlet").fetchall())


def meter_keys(connection: Connection) -> dict[MeterId, int]:
    """meter_id -> meter_key."""
    return dict(connection.execute("SELECT meter_id, meter_key FROM meter").fetchall())


def gate_keys(connection: Connection) -> dict[GateId, int]:
    """gate_id -> gate_key."""
    return dict(connection.execute("SELECT gate_id, gate_key FROM gate").fetchall())


def factor_keys(connection: Connection) -> dict[str, int]:
    """Factor code -> factor_key, codes nobody defined included.

    Ask here and not `Factor.key`: a code met before it was defined keeps the key it got then.
    """
    return dict(connection.execute("SELECT code, factor_key FROM factor").fetchall())


def ensure_unknown_factors(connection: Connection, codes: Iterable[str]) -> dict[str, int]:
    """Code -> factor_key for codes the data file does not define, new ones from 1000 upwards.

    A code has no key in the answer once UNKNOWN_FACTORS_MAXIMUM codes are known: a device that invents
    codes must not fill the table. Other writers wait until the caller's transaction ends, when one is new.
    """
    wanted = sorted(set(codes))
    known = _factor_keys(connection, wanted)
    if len(known) < len(wanted):
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_FACTOR_LOCK,))
        connection.execute(
            "INSERT INTO factor (factor_key, code)"
            " SELECT n, code FROM (SELECT code, greatest((SELECT max(factor_key) FROM factor), %(below)s)"
            "   + row_number() OVER (ORDER BY code) AS n"
            "   FROM unnest(%(codes)s::text[]) AS code WHERE code NOT IN (SELECT code FROM factor)) AS new"
            " WHERE n <= %(below)s + %(most)s",
            {"codes": wanted, "below": UNKNOWN_FACTORS_FROM - 1, "most": UNKNOWN_FACTORS_MAXIMUM},
        )
        known = _factor_keys(connection, wanted)
    return known


def add_integrator(connection: Connection, integrator_id: str, token: str) -> None:
    """Let a token send over HTTP; only its SHA-256 is kept. A new token replaces the old one."""
    connection.execute(
        "INSERT INTO integrator (integrator_id, token_sha256) VALUES (%s, %s)"
        " ON CONFLICT (integrator_id) DO UPDATE SET token_sha256 = excluded.token_sha256, active = true",
        (integrator_id, hashlib.sha256(token.encode()).digest()),
    )


def integrator_of(connection: Connection, token: str) -> str | None:
    """Whose token this is, None when nobody's; compared with every one in constant time."""
    offered = hashlib.sha256(token.encode()).digest()
    owner = None
    for integrator_id, digest in connection.execute(
        "SELECT integrator_id, token_sha256 FROM integrator WHERE active"
    ):
        if hmac.compare_digest(digest, offered):
            owner = integrator_id
    return owner


def _device_keys(connection: Connection, mns: list[str]) -> dict[str, int]:
    rows = connection.execute("SELECT mn, device_key FROM device WHERE mn = ANY(%s)", (mns,))
    return dict(rows.fetchall())


def _factor_keys(connection: Connection, codes: list[str]) -> dict[str, int]:
    rows = connection.execute("SELECT code, factor_key FROM factor WHERE code = ANY(%s)", (codes,))
    return dict(rows.fetchall())
