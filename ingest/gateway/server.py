"""The listener: accepts device sockets up to a bound, runs one Connection each, closes them in order."""

from __future__ import annotations

import asyncio
import logging
import socket
from types import TracebackType

from domain.registry import Device
from ingest import metrics
from ingest.directory import Directory
from ingest.errors import DoorError
from ingest.gateway.connection import READ_BYTES, Connection
from ingest.gateway.limits import Limits
from ingest.hj212.head import read_head
from ingest.producer import PackingProducer

log = logging.getLogger(__name__)


class Gateway:
    """Used as an async context. Leaving it stops accepting and reading, flushes, answers and closes.

    `producer` and `devices` are started and stopped by whoever made them, outside this context.
    """

    def __init__(
        self,
        producer: PackingProducer,
        devices: Directory[Device],
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        limits: Limits | None = None,
    ) -> None:
        self._producer = producer
        self._devices = devices
        self._host = host
        self._limits = limits or Limits()
        self._addresses: dict[str, str] = {}
        self._running: set[asyncio.Task[None]] = set()
        self.port = port

    async def __aenter__(self) -> Gateway:
        """Raises DoorError when the port is taken."""
        read_head(b"##0002&&FFFF\r\n")  # compile the kernels before the first device waits for them
        try:
            self._server = await asyncio.start_server(
                self._accept, self._host, self.port, limit=READ_BYTES, backlog=1024
            )
        except OSError as error:
            raise DoorError(
                f"cannot listen on {self._host}:{self.port}: {error.strerror}; choose another port"
            ) from error
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()
        for task in self._running:
            task.cancel()
        await self._producer.flush()
        if self._running:
            await asyncio.wait(self._running)
        await self._server.wait_closed()

    def missing(self) -> str | None:
        """What keeps this gateway from working, for /readyz."""
        return None if self._producer.reachable else "the broker does not acknowledge"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._running) >= self._limits.max_connections:
            metrics.CLOSED.labels("too_many").inc()
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None  # a stream callback runs as a task
        self._running.add(task)
        metrics.CONNECTIONS.inc()
        try:
            # a device that vanished without a FIN is found by the kernel, not by our idle deadline
            line = writer.get_extra_info("socket")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await Connection(
                reader, writer, self._producer, self._devices, self._addresses, self._limits
            ).run()
        finally:
            metrics.CONNECTIONS.dec()
            self._running.discard(task)
