"""FNV-1a 64: the payload hash that tells a duplicate from a conflict. Not a proof of anything."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

OFFSET_BASIS = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x100000001B3)


@numba.njit(cache=True, nogil=True)
def fnv1a_range(buffer: npt.NDArray[np.uint8], start: int, end: int) -> np.int64:
    """The hash of buffer[start:end] as a signed 64-bit number."""
    state = OFFSET_BASIS
    for i in range(start, end):
        state = (state ^ np.uint64(buffer[i])) * PRIME
    return np.int64(state)


def fnv1a(payload: bytes) -> int:
    """The hash of the bytes between `CP=&&` and the closing `&&`, signed, as the database stores it."""
    return int(fnv1a_range(np.frombuffer(payload, np.uint8), 0, len(payload)))
