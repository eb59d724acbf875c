"""The words of the codec: a frame, its CRC verdict, its readings, its problems, and the same as columns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum

import numpy as np
import numpy.typing as npt

from domain.clock import Interval
from domain.registry import FactorCode


class Edition(StrEnum):
    HJ_2005 = "2005"
    HJ_2017 = "2017"
    HJ_2025 = "2025"


class CrcKind(IntEnum):
    """How the four digits after the segment were made. Stored as smallint; order is fixed."""

    HJ212 = 0  # Annex A
    MODBUS = 1  # plain CRC-16/MODBUS, met in the field
    MODBUS_SWAPPED = 2  # the same with its bytes swapped
    WRONG = 3
    ABSENT = 4


class Severity(StrEnum):
    NOTE = "note"  # a deviation that changes nothing
    DOUBT = "doubt"  # something had to be guessed
    REFUSAL = "refusal"  # no readings may be used


@dataclass(frozen=True)
class Problem:
    """One deviation from the standard. `offset` counts bytes from the `##` of the frame."""

    code: str
    offset: int
    text: str
    severity: Severity = Severity.NOTE


@dataclass(frozen=True)
class Crc:
    given: str
    computed: str
    kind: CrcKind


@dataclass(frozen=True)
class ReadingValue:
    """One factor of one frame as sent. `factor` is the HJ 212-2017 code, None when the code is private.

    Realtime values (`Rtd`, `ZsRtd`) stand in `avg` and `converted_avg`, as in the reading table.
    """

    code: str
    factor: FactorCode | None
    avg: float | None = None
    min: float | None = None
    max: float | None = None
    converted_avg: float | None = None
    converted_min: float | None = None
    converted_max: float | None = None
    total: float | None = None
    flag: str = ""
    extra: tuple[tuple[str, str], ...] = ()  # suffixes we keep but do not read: EFlag, SampleTime, SN …


@dataclass(frozen=True)
class Frame:
    """A packet, read as far as it could be. Times aware UTC. `ok` means its readings may be used."""

    ok: bool
    edition: Edition | None
    qn: str
    st: str
    cn: str
    pw: str
    mn: str
    flag: int | None
    pnum: int | None
    pno: int | None
    resent: bool  # RF=1
    data_time: datetime | None  # start of the interval, for CN=2011 the moment of acquisition
    interval: Interval | None  # of its readings, by CN
    fields: tuple[tuple[str, str], ...]  # every name=value of the data area, in order, as sent
    readings: tuple[ReadingValue, ...]
    crc: Crc | None
    problems: tuple[Problem, ...]
    raw: bytes = field(repr=False)
    payload_hash: int = 0  # as in FrameColumns


Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Int16s = npt.NDArray[np.int16]
UInt8s = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.bytes_]


@dataclass(frozen=True)
class FrameColumns:
    """Many frames as columns; row i is the i-th frame given. Times int64 µs since 1970 UTC.

    `ok[i]` False: the batch path refused the frame and the caller asks the readable path why.
    Both paths agree on every frame that is ok (tests/ingest/hj212 holds them to it).
    """

    ok: npt.NDArray[np.bool_]
    mn: Texts  # S24, NUL padded
    cn: Int16s
    part: Int16s  # PNO, 0 when not split
    key_time: Int64s  # DataTime, else the time of QN, else -1
    flag: Int16s  # Flag field, -1 when absent
    edition: Int16s  # 2005 | 2017 | 2025
    crc_kind: Int16s
    payload_hash: Int64s  # FNV-1a 64 of the bytes between `CP=&&` and the closing `&&`, as signed
    problems: Int16s  # how many deviations the batch path saw
    readings: Int16s  # how many reading rows below belong to the frame


@dataclass(frozen=True)
class ReadingColumns:
    """The readings of those frames, frame after frame. Absent numbers are NaN."""

    frame: Int32s  # index into FrameColumns
    interval_key: Int16s
    code: Texts  # S12, factor code as sent
    avg: Floats
    min: Floats
    max: Floats
    converted_avg: Floats
    total: Floats
    flag: Texts  # S4
