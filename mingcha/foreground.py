"""Our long-running commands: one event loop, one clean way out on SIGTERM or Ctrl-C, and patience."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TypeVar

from ingest.errors import BrokerError
from storage.errors import DatabaseUnreachable

log = logging.getLogger(__name__)

T = TypeVar("T")

_AGAIN_SECONDS = 0.5


def stop_signal() -> asyncio.Event:
    """An event the first SIGTERM or SIGINT sets. Call it inside the loop, in the main thread."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped


@asynccontextmanager
async def when_there(
    make: Callable[[], AbstractAsyncContextManager[T]], stopped: asyncio.Event
) -> AsyncIterator[T]:
    """Enter what `make` makes once its server answers; a part that starts before its servers waits for them.

    A supervisor would start it again and again and then give up, although nothing is wrong with the part.
    Raises the last BrokerError or DatabaseUnreachable when told to stop meanwhile.
    """
    async with AsyncExitStack() as stack:
        while True:
            try:
                entered = await stack.enter_async_context(make())
                break
            except (BrokerError, DatabaseUnreachable) as error:
                if stopped.is_set():
                    raise
                log.warning("server_waited_for", extra={"error": str(error)})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopped.wait(), _AGAIN_SECONDS)
        yield entered
