"""What a writer looks up by name: devices, outlets, meters and gates, only those it asks for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from psycopg import sql

from storage.connection import Connection

Named = Literal["outlet", "meter", "gate"]


@dataclass(frozen=True)
class DeviceKey:
    """`outlet_key` None: its frames are kept and not used (pending, suspended, or without an outlet)."""

    device_key: int
    outlet_key: int | None
    accepted_crc: tuple[str, ...]
    sm4_key: bytes | None


def find_devices(connection: Connection, mns: Iterable[str]) -> dict[str, DeviceKey]:
    """The devices of these MNs that are there."""
    rows = connection.execute(
        "SELECT mn, device_key, CASE state WHEN 'active' THEN outlet_key END, accepted_crc, sm4_key"
        " FROM device LEFT JOIN outlet USING (outlet_id) WHERE mn = ANY(%s::text[])",
        (list(mns),),
    )
    return {mn: DeviceKey(key, outlet, tuple(crc), sm4) for mn, key, outlet, crc, sm4 in rows}


def find_keys(connection: Connection, table: Named, ids: Iterable[str]) -> dict[str, int]:
    """The integer keys of those of these ids that are there."""
    query = sql.SQL("SELECT {id}, {key} FROM {table} WHERE {id} = ANY(%s::text[])").format(
        id=sql.Identifier(f"{table}_id"), key=sql.Identifier(f"{table}_key"), table=sql.Identifier(table)
    )
    return dict(connection.execute(query, (list(ids),)).fetchall())
