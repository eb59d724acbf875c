"""Both paths of the codec as the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from domain.clock import INTERVAL_KEYS
from ingest.hj212 import CrcKind, Frame, key_time
from ingest.hj212.batch import decode_batch
from ingest.hj212.model import FrameColumns, ReadingColumns


@dataclass(frozen=True)
class Columns:
    """Frames, and their readings frame after frame."""

    frames: FrameColumns
    readings: ReadingColumns


def decode_columns(buffer: bytes, offsets: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> Columns:
    """The batch path; readings of frames it refuses are left out."""
    frames, readings = decode_batch(buffer, offsets, lengths)
    if not frames.ok.all():
        readings = _take(readings, frames.ok[readings.frame])
    return Columns(frames, readings)


def replace_rows(columns: Columns, accepted: Mapping[int, Frame]) -> Columns:
    """Put what the readable path made of some frames in the place of what the batch path refused."""
    if not accepted:
        return columns
    rows = np.array(list(accepted), np.intp)
    slow = frame_columns(list(accepted.values()))
    frames = {}
    for f in fields(FrameColumns):
        column = getattr(columns.frames, f.name).copy()
        column[rows] = getattr(slow.frames, f.name)
        frames[f.name] = column
    own = {f.name: getattr(slow.readings, f.name) for f in fields(ReadingColumns)}
    own["frame"] = rows[slow.readings.frame].astype(np.int32)
    joined = ReadingColumns(
        **{name: np.concatenate([getattr(columns.readings, name), column]) for name, column in own.items()}
    )
    order = np.argsort(joined.frame, kind="stable")
    return Columns(FrameColumns(**frames), _take(joined, order))


def frame_columns(frames: list[Frame]) -> Columns:
    """Frames of the readable path as columns."""
    readings = [
        (i, INTERVAL_KEYS[frame.interval], reading)
        for i, frame in enumerate(frames)
        if frame.interval is not None
        for reading in frame.readings
    ]

    def numbers(name: str) -> npt.NDArray[np.float64]:
        values = [getattr(reading, name) for _, _, reading in readings]
        return np.array([np.nan if value is None else value for value in values], np.float64)

    return Columns(
        FrameColumns(
            ok=np.array([frame.ok for frame in frames], np.bool_),
            mn=np.array([frame.mn.encode("latin-1", "replace") for frame in frames], "S24"),
            cn=np.array([int(frame.cn) if frame.cn.isdigit() else -1 for frame in frames], np.int16),
            part=np.array([frame.pno or 0 for frame in frames], np.int16),
            key_time=np.array([key_time(frame) for frame in frames], np.int64),
            flag=np.array([-1 if frame.flag is None else frame.flag for frame in frames], np.int16),
            edition=np.array([int(frame.edition or 0) for frame in frames], np.int16),
            crc_kind=np.array(
                [CrcKind.ABSENT if frame.crc is None else frame.crc.kind for frame in frames], np.int16
            ),
            payload_hash=np.array([frame.payload_hash for frame in frames], np.int64),
            problems=np.array([min(len(frame.problems), 0x7FFF) for frame in frames], np.int16),
            readings=np.bincount([i for i, _, _ in readings], minlength=len(frames)).astype(np.int16),
        ),
        ReadingColumns(
            frame=np.array([i for i, _, _ in readings], np.int32),
            interval_key=np.array([interval for _, interval, _ in readings], np.int16),
            code=np.array([r.code.encode("latin-1", "replace") for _, _, r in readings], "S12"),
            avg=numbers("avg"),
            min=numbers("min"),
            max=numbers("max"),
            converted_avg=numbers("converted_avg"),
            total=numbers("total"),
            flag=np.array([r.flag.encode("latin-1", "replace") for _, _, r in readings], "S4"),
        ),
    )


def _take(readings: ReadingColumns, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> ReadingColumns:
    return ReadingColumns(**{f.name: getattr(readings, f.name)[rows] for f in fields(ReadingColumns)})
