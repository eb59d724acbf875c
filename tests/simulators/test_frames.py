"""Frames and lines carry the rows, byte for byte as the codec writes them, in the order of their sending."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import islice, pairwise

import numpy as np
import pytest

from domain.clock import Interval, to_microseconds
from domain.standards import CONDITION_CODES, Condition, flag_dictionary
from ingest.hj212.decode import decode
from ingest.lines import parse_passage, parse_power
from simulators.city import City
from simulators.frames import frames, frames_of, readable_frames_of
from simulators.letters import letters
from simulators.lines import passage_lines, power_lines
from simulators.live import live
from simulators.realtime import realtime_of
from simulators.streams import Streams
from tests.simulators.conftest import START

DAY = START + timedelta(days=20)


def test_the_fast_writer_writes_what_encode_writes(city: City, planted: Streams) -> None:
    day = planted.cut(DAY, DAY + timedelta(hours=6))
    split = 0
    for line, outlet in zip(city.lines(), day.outlets(), strict=True):
        realtime = realtime_of(
            city.seed, line.device.mn, outlet.minutes.cut(to_microseconds(DAY), to_microseconds(DAY) + 1)
        )
        for block in (outlet.minutes, outlet.hours, realtime):
            fast = [sent.frame for sent in frames_of(line.device, block)]
            assert fast == readable_frames_of(line.device, block)
            split += sum(b";PNUM=" in frame for frame in fast)
    assert split > 0


def test_frames_decode_back_to_the_values(city: City, planted: Streams) -> None:
    devices = {device.outlet_id: device for device in city.devices}
    for outlet in planted.cut(DAY, DAY + timedelta(hours=4)).outlets():
        device = devices[outlet.outlet_id]
        block = outlet.hours
        dictionary = flag_dictionary(device.flag_dictionary)
        for sent in frames_of(device, block):
            frame = decode(sent.frame)
            assert frame.ok
            assert not frame.problems
            assert frame.mn == device.mn
            assert frame.interval is Interval.HOUR
            assert frame.data_time is not None
            index = (to_microseconds(frame.data_time) - block.start_us) // block.step_us
            for reading in frame.readings:
                assert reading.factor is not None
                row = block.row(reading.factor)
                for value, plane in (
                    (reading.avg, block.avg), (reading.min, block.min), (reading.max, block.max),
                    (reading.converted_avg, block.converted_avg), (reading.total, block.total),
                ):  # fmt: skip
                    assert value == plane[row, index] or (value is None and np.isnan(plane[row, index]))
                said = CONDITION_CODES[dictionary.condition(reading.flag)]
                meant = int(block.condition[row, index])
                assert said == meant or letters(device.flag_dictionary)[meant] == reading.flag


def test_frames_come_in_the_order_of_their_sending_and_stop_in_time(city: City, planted: Streams) -> None:
    until = DAY + timedelta(days=9, hours=3)
    sent = list(frames(city, planted.cut(DAY, DAY + timedelta(days=10)), (Interval.HOUR,), until))
    times = [one.time_us for one in sent]
    assert times == sorted(times)
    assert times[-1] < to_microseconds(until)
    assert len({one.mn for one in sent}) == 35
    assert len(sent) > 35 * 9 * 24


@pytest.mark.parametrize("dictionary", ["hj75", "hj212_2017", "hj212_2005", "hj212_2025"])
def test_every_condition_of_the_simulator_has_a_letter(dictionary: str) -> None:
    known = letters(dictionary)
    for condition in (
        Condition.VALID, Condition.STOPPED, Condition.STARTING, Condition.STOPPING, Condition.CALIBRATION,
        Condition.MAINTENANCE, Condition.FAULT, Condition.MISSING,
    ):  # fmt: skip
        assert known[CONDITION_CODES[condition]]


def test_power_lines_are_what_the_receiver_takes(planted: Streams) -> None:
    day = planted.cut(DAY, DAY + timedelta(hours=3))
    lines = list(power_lines(day))
    assert len(lines) == sum(meter.kw.size for site in day.sites for meter in site.power)
    assert [due for due, _ in lines] == sorted(due for due, _ in lines)
    for due, line in lines[:50]:
        parsed = parse_power(line)
        meter = day.meter(parsed.meter_id)
        index = (to_microseconds(parsed.time) - meter.start_us) // meter.step_us
        assert (parsed.kw, parsed.kwh) == (meter.kw[index], meter.kwh()[index])
        assert due == to_microseconds(parsed.time) + meter.step_us


def test_passage_lines_are_what_the_receiver_takes(planted: Streams) -> None:
    day = planted.cut(DAY, DAY + timedelta(days=1))
    lines = [line for _, line in passage_lines(day)]
    assert len(lines) == sum(site.passages.height for site in day.sites) > 300
    for line in lines:
        parsed = parse_passage(line)
        assert parsed.direction in ("in", "out")
        assert json.loads(line)["time"].endswith("+08:00")


def test_live_goes_on_where_history_stopped(city: City) -> None:
    now: datetime = START + timedelta(days=4, minutes=4, seconds=30)
    streams = city.simulate(now - timedelta(hours=3), now + timedelta(hours=3))
    kinds = (Interval.MINUTE, Interval.HOUR)
    history = {s.frame for s in frames(city, streams.cut(now - timedelta(hours=3), now), kinds, until=now)}
    ticks = list(islice(live(city, now, speed=60), 90))
    assert ticks[0].due > now
    assert [tick.after_seconds for tick in ticks] == sorted(tick.after_seconds for tick in ticks)
    assert ticks[59].after_seconds - ticks[0].after_seconds == pytest.approx(59)
    sent = [s for tick in ticks for s in tick.frames if b"CN=2011" not in s.frame]
    assert not {s.frame for s in sent} & history
    end_us = to_microseconds(ticks[-1].due)
    both = {s.frame for s in frames(city, streams, kinds) if s.time_us < end_us}
    assert {s.frame for s in sent} | history == both
    assert any(tick.power_lines for tick in ticks)
    assert any(tick.passage_lines for tick in ticks)
    assert all(tick.frames for tick in ticks[1:])  # the first minute had begun


def test_live_does_not_stumble_from_one_stretch_to_the_next(city: City) -> None:
    now = START + timedelta(days=2)
    ticks = list(islice(live(city, now), 12 * 60 + 30))
    dues = [tick.due for tick in ticks]
    assert all(b - a == timedelta(minutes=1) for a, b in pairwise(dues))
    frames_sent = [s.frame for tick in ticks for s in tick.frames]
    assert len(frames_sent) == len(set(frames_sent))
    hours = [s for tick in ticks for s in tick.frames if b"CN=2061" in s.frame and b";PNO=2" not in s.frame]
    assert len(hours) >= 35 * 11
