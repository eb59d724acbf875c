"""For all tests that talk to a broker."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="package", autouse=True)
def forgotten_sockets() -> Iterator[None]:
    """kafka-python leaves the sockets of refused connections to the garbage collector: collect them while
    pytest's filters hold, for at the very end of a run an unclosed socket is an error.
    """
    yield
    gc.collect()
