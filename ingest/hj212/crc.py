"""The check of HJ 212 Annex A, and the two others that field devices send in its place.

Annex A writes `reg = (reg >> 8) ^ byte` where MODBUS has `reg ^ byte`, so the low byte of the register is
dropped before each byte: the state is 8 bits wide and a frame costs one table look-up a byte. Only 256
different values exist; one corrupt frame in 256 passes. Never use it as proof of integrity.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from ingest.hj212.model import Crc, CrcKind

_POLYNOMIAL = 0xA001
_START = 0xFFFF


def _shifted(register: int) -> int:
    for _ in range(8):
        register = (register >> 1) ^ (_POLYNOMIAL if register & 1 else 0)
    return register


#: TABLE[b] is the register after eight shifts of b; both Annex A and MODBUS read it.
TABLE: npt.NDArray[np.uint16] = np.array([_shifted(b) for b in range(256)], dtype=np.uint16)


@numba.njit(cache=True, nogil=True)
def crc_range(buffer: npt.NDArray[np.uint8], start: int, end: int) -> int:
    """Annex A over buffer[start:end], 0 to 65535."""
    register = _START
    for i in range(start, end):
        register = int(TABLE[(register >> 8) ^ buffer[i]])
    return register


@numba.njit(cache=True, nogil=True)
def modbus_range(buffer: npt.NDArray[np.uint8], start: int, end: int) -> int:
    """CRC-16/MODBUS over buffer[start:end]."""
    register = _START
    for i in range(start, end):
        register = (register >> 8) ^ int(TABLE[(register ^ buffer[i]) & 0xFF])
    return register


def crc_hj212(segment: bytes) -> int:
    """The check of HJ 212-2017 Annex A (2025: A.1, the same) over a data segment."""
    return int(crc_range(np.frombuffer(segment, np.uint8), 0, len(segment)))


def crc_modbus(segment: bytes) -> int:
    """CRC-16/MODBUS, which some devices send by mistake."""
    return int(modbus_range(np.frombuffer(segment, np.uint8), 0, len(segment)))


def digits(crc: int) -> str:
    """Four hex digits, high byte first, as Annex A prints them."""
    return f"{crc:04X}"


def check(segment: bytes, given: str) -> Crc:
    """What the digits after a segment are. Lower case and dropped leading zeros count as the same value."""
    right = digits(crc_hj212(segment))
    padded = given.upper().rjust(4, "0")
    if not given:
        kind = CrcKind.ABSENT
    elif padded == right:
        kind = CrcKind.HJ212
    else:
        modbus = digits(crc_modbus(segment))
        swapped = modbus[2:] + modbus[:2]
        known = {modbus: CrcKind.MODBUS, swapped: CrcKind.MODBUS_SWAPPED}
        kind = known.get(padded, CrcKind.WRONG)
    return Crc(given, right, kind)
