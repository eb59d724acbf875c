"""Ports on loopback: pick a free one, wait for one to answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from mingcha.stack.errors import StackError


def free_port() -> int:
    """A TCP port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_open(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def require_free(port: int, what: str) -> None:
    """Raises StackError with the remedy when the port is taken. `what` names a `<what>_port` setting."""
    if is_open(port):
        setting = f"MINGCHA_{what.upper()}_PORT"
        raise StackError(f"port {port} for the {what} is in use; stop what listens there or set {setting}")


def wait_open(port: int, what: str, alive: Callable[[], bool], timeout_seconds: float = 60) -> None:
    """Return once the port accepts. Raises StackError when the process dies first or time runs out."""
    deadline = time.monotonic() + timeout_seconds
    while not is_open(port):
        if not alive():
            raise StackError(f"{what} ended before it opened port {port}; see its log")
        if time.monotonic() > deadline:
            raise StackError(f"{what} did not open port {port} within {timeout_seconds:.0f} s; see its log")
        time.sleep(0.02)
