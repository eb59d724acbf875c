"""Streams as HJ 212 frames, in the order of their sending, many at once.

Bytes are those of ingest.hj212.encode (tests/simulators/test_frames.py holds them to it); written column by
column because a quarter of history is a few hundred thousand frames.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from domain.clock import MICROSECONDS_PER_HOUR, Interval, from_microseconds, to_microseconds
from domain.registry import Device, FactorCode, SiteId
from domain.standards import factor
from ingest.hj212.encode import FrameDraft, Group, area_room, encode, frame_segment, reading_group
from ingest.hj212.model import Edition, ReadingValue
from ingest.hj212.numbers import format_number
from ingest.hj212.times import format_qn, format_time
from simulators.city import City
from simulators.letters import letters
from simulators.realtime import realtime_of
from simulators.streams import Block, Floats, Streams

COMMANDS = {Interval.REALTIME: "2011", Interval.MINUTE: "2051", Interval.HOUR: "2061"}
CHUNK_US = 7 * 24 * MICROSECONDS_PER_HOUR


@dataclass(frozen=True)
class SentFrame:
    """`time_us`: when the device sends it, the time of its QN."""

    time_us: int
    site_id: SiteId
    mn: str
    frame: bytes


def frames(
    city: City,
    streams: Streams,
    kinds: Sequence[Interval] = (Interval.MINUTE, Interval.HOUR),
    until: datetime | None = None,
) -> Iterator[SentFrame]:
    """Every frame of the streams in time order of sending; `until`: only what is sent before that.

    Works a week at a time, so memory stays flat.
    """
    until_us = to_microseconds(until) if until is not None else None
    devices = {device.outlet_id: device for device in city.devices}
    bounds = [
        (o.hours.start_us, o.hours.start_us + o.hours.size * o.hours.step_us) for o in streams.outlets()
    ]
    if not bounds:
        return
    first, last = min(start for start, _ in bounds), max(end for _, end in bounds)
    for start in range(first, last, CHUNK_US):
        due: list[SentFrame] = []
        for outlet in streams.outlets():
            device = devices[outlet.outlet_id]
            minutes = outlet.minutes.cut(start, start + CHUNK_US)
            for kind in kinds:
                if kind is Interval.HOUR:
                    block = outlet.hours.cut(start, start + CHUNK_US)
                else:
                    block = minutes if kind is Interval.MINUTE else realtime_of(city.seed, device.mn, minutes)
                due.extend(frames_of(device, block))
        due.sort(key=lambda sent: (sent.time_us, sent.mn, sent.frame))
        yield from due if until_us is None else (sent for sent in due if sent.time_us < until_us)


def frames_of(device: Device, block: Block) -> list[SentFrame]:
    """The frames of one device and one block, in time order."""
    sent = np.flatnonzero(block.present)
    edition = Edition(device.edition or Edition.HJ_2017)
    site_id = device.site_id
    assert site_id is not None, "a simulated device belongs to a site"
    columns = _group_columns(device, block, sent)
    times = block.times_us()[sent].tolist()
    delay = sending_delay_us(device.mn, block)
    base = {Edition.HJ_2005: 1, Edition.HJ_2017: 5, Edition.HJ_2025: 9}[edition]
    ahead = f"ST=31;CN={COMMANDS[block.interval]};PW={device.password};MN={device.mn};Flag="
    room = area_room(_draft(device, block, 0, ()))
    result = []
    for row, groups in enumerate(zip(*columns, strict=True)):
        sent_us = times[row] + delay
        lead = f"DataTime={format_time(from_microseconds(times[row]))}"
        areas = _areas(lead, groups, room)
        for number, area in enumerate(areas):
            qn = format_qn(from_microseconds(sent_us) + timedelta(milliseconds=number))
            split = f";PNUM={len(areas)};PNO={number + 1}" if len(areas) > 1 else ""
            flag = base | (2 if split else 0)
            segment = f"QN={qn};{ahead}{flag}{split};CP=&&{area}&&".encode()
            frame = frame_segment(segment, device.sm4_key)
            result.append(SentFrame(sent_us + 1000 * number, site_id, device.mn, frame))
    return result


def readable_frames_of(device: Device, block: Block) -> list[bytes]:
    """The same frames through `encode`, row by row: the readable twin of `frames_of`."""
    flags = letters(device.flag_dictionary)
    edition = Edition(device.edition or Edition.HJ_2017)
    result: list[bytes] = []
    for index in np.flatnonzero(block.present).tolist():
        groups: list[Group] = []
        for row, code in enumerate(block.factors):
            avg, low, high, converted, total = (
                None if np.isnan(plane[row, index]) else float(plane[row, index])
                for plane in (block.avg, block.min, block.max, block.converted_avg, block.total)
            )
            reading = ReadingValue(
                code_of(code, edition),
                code,
                avg,
                low,
                high,
                converted,
                total=total,
                flag=flags[int(block.condition[row, index])],
            )
            groups.append(reading_group(reading, block.interval))
        result += encode(_draft(device, block, index, tuple(groups)), device.sm4_key)
    return result


def _draft(device: Device, block: Block, index: int, groups: tuple[Group, ...]) -> FrameDraft:
    time_us = block.start_us + index * block.step_us
    return FrameDraft(
        Edition(device.edition or Edition.HJ_2017),
        COMMANDS[block.interval],
        device.mn,
        pw=device.password or "",
        qn=from_microseconds(time_us + sending_delay_us(device.mn, block)),
        data_time=from_microseconds(time_us),
        groups=groups,
    )


def sending_delay_us(mn: str, block: Block) -> int:
    """From the start of an interval to the sending of its frame: its length and a few seconds of the device's
    own; an instant (realtime) goes out at once."""
    own_ms = 400 + zlib.crc32(mn.encode()) % 3600
    length = 0 if block.interval is Interval.REALTIME else block.step_us
    return length + 1000 * (own_ms + (2000 if block.interval is Interval.HOUR else 0))


def code_of(code: FactorCode, edition: Edition) -> str:
    """As the edition writes it: devices of 2005 have the old codes where there are any."""
    old = factor(code).old_codes
    return old[0] if edition is Edition.HJ_2005 and old else code


def _group_columns(
    device: Device, block: Block, sent: np.ndarray[tuple[int], np.dtype[np.int64]]
) -> list[list[str]]:
    """Per factor, the items of each sent interval: `a21026-Avg=12.4,…,a21026-Flag=N`."""
    edition = Edition(device.edition or Edition.HJ_2017)
    flags = letters(device.flag_dictionary)
    realtime = block.interval is Interval.REALTIME
    columns = []
    for row, known in enumerate(block.factors):
        code = code_of(known, edition)
        flag_items = np.array([f"{code}-Flag={flag}" for flag in flags])
        items = [
            _items(f"{code}-Cou=", block.total[row, sent]),
            _items(f"{code}-Min=", block.min[row, sent]),
            _items(f"{code}-{'Rtd' if realtime else 'Avg'}=", block.avg[row, sent]),
            _items(f"{code}-Max=", block.max[row, sent]),
            _items(f"{code}-{'ZsRtd' if realtime else 'ZsAvg'}=", block.converted_avg[row, sent]),
            pl.Series(flag_items[block.condition[row, sent]], dtype=pl.String),
        ]
        given = [item for item in items if item is not None]
        joined = pl.select(pl.concat_str(given, separator=",", ignore_nulls=True)).to_series()
        columns.append(joined.to_list())
    return columns


def _items(prefix: str, values: Floats) -> pl.Series | None:
    if np.isnan(values).all():
        return None
    return pl.Series(
        [None if value != value else prefix + format_number(value) for value in values.tolist()],
        dtype=pl.String,
    )


def _areas(lead: str, groups: Sequence[str], room: int) -> list[str]:
    """Data areas of whole groups, each beginning with the lead; texts are ASCII."""
    whole = ";".join((lead, *groups))
    if len(whole) <= room:
        return [whole]
    areas, parts, size = [], [lead], len(lead)
    for group in groups:
        if size + 1 + len(group) > room:
            areas.append(";".join(parts))
            parts, size = [lead], len(lead)
        parts.append(group)
        size += 1 + len(group)
    return [*areas, ";".join(parts)]
