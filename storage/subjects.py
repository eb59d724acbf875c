"""Which site a meter or a gate belongs to: what the HTTP receiver needs to choose a partition."""

from __future__ import annotations

from storage.connection import Connection


def meter_sites(connection: Connection) -> dict[str, str]:
    """Site id of every meter."""
    return dict(connection.execute("SELECT meter_id, site_id FROM meter").fetchall())


def gate_sites(connection: Connection) -> dict[str, str]:
    """Site id of every gate."""
    return dict(connection.execute("SELECT gate_id, site_id FROM gate").fetchall())
