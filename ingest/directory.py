"""What the registry says, kept in memory beside a door and read again every few seconds.

Devices by MN for the gateway, the site of each meter and gate for the receiver. While the database is away
the last known state goes on being used.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Generic, TypeVar

from domain.errors import MingchaError
from domain.registry import Device
from ingest import metrics
from storage.connection import connect
from storage.registry import load_devices
from storage.subjects import gate_sites, meter_sites

log = logging.getLogger(__name__)

Entry = TypeVar("Entry")

REFRESH_SECONDS = 5.0
UNKNOWN_SECONDS = 1.0
#: A large registry is read less often: reading takes at most this share of the time.
_SHARE = 0.05


class Directory(Generic[Entry]):
    """A mapping that follows the database. Used as an async context; entering it loads for the first time.

    `load` runs in a worker thread and raises a MingchaError when the database does not answer.
    """

    def __init__(
        self,
        load: Callable[[], Mapping[str, Entry]],
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        unknown_seconds: float = UNKNOWN_SECONDS,
    ) -> None:
        self._load = load
        self._refresh_seconds = refresh_seconds
        self._unknown_seconds = unknown_seconds
        self._entries: Mapping[str, Entry] = {}
        self._loading = asyncio.Lock()
        self._loaded_at = float("-inf")
        self._took_seconds = 0.0
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Directory[Entry]:
        """Raises what `load` raises."""
        await self._read()
        self._following = asyncio.create_task(self._follow())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])

    def get(self, key: str) -> Entry | None:
        """The entry as last loaded."""
        return self._entries.get(key)

    async def find(self, key: str) -> Entry | None:
        """The entry; for an unknown key the database is asked first, at most once a second for all keys."""
        entry = self._entries.get(key)
        if entry is None and self._may_ask():
            async with self._loading:
                if self._may_ask():
                    await self._read_or_keep()
            entry = self._entries.get(key)
        return entry

    def _may_ask(self) -> bool:
        pause = max(self._unknown_seconds, self._took_seconds / _SHARE)
        return time.monotonic() - self._loaded_at >= pause

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(max(self._refresh_seconds, self._took_seconds / _SHARE))
            async with self._loading:
                await self._read_or_keep()

    async def _read_or_keep(self) -> None:
        try:
            await self._read()
        except MingchaError as error:
            log.warning("registry_not_read", extra={"error": str(error)})

    async def _read(self) -> None:
        began = time.monotonic()
        try:
            self._entries = await asyncio.to_thread(self._load)
        except MingchaError:
            metrics.REGISTRY_REFRESHES.labels("failed").inc()
            raise
        finally:
            self._loaded_at = time.monotonic()
        self._took_seconds = self._loaded_at - began
        metrics.REGISTRY_REFRESHES.labels("loaded").inc()


def devices_of(database_url: str) -> Directory[Device]:
    """Every device of the registry, by MN."""

    def load() -> dict[str, Device]:
        with connect(database_url, application_name="mingcha gateway") as connection:
            return {device.mn: device for device in load_devices(connection)}

    return Directory(load)


def meters_of(database_url: str) -> Directory[str]:
    """The site of every meter."""

    def load() -> dict[str, str]:
        with connect(database_url, application_name="mingcha receiver") as connection:
            return meter_sites(connection)

    return Directory(load)


def gates_of(database_url: str) -> Directory[str]:
    """The site of every gate."""

    def load() -> dict[str, str]:
        with connect(database_url, application_name="mingcha receiver") as connection:
            return gate_sites(connection)

    return Directory(load)
