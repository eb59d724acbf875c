"""Our long-running commands: one event loop, one clean way out on SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import signal


def stop_signal() -> asyncio.Event:
    """An event the first SIGTERM or SIGINT sets. Call it inside the loop, in the main thread."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    return stopped
