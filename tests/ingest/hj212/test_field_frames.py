"""Every public frame: a sound one reads as its source says, a broken one reads with problems."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.hj212 import CrcKind, Frame, Packet, Severity, Splitter, decode
from tests.ingest.hj212.agreement import assert_paths_agree
from tests.ingest.hj212.frames import GOLDEN, field_frames, field_segments, raw_frames

SOUND = [e for e in field_frames() if e["crc_ok"] and e["length_ok"]]
BROKEN = [e for e in field_frames() if not (e["crc_ok"] and e["length_ok"])]
SUFFIXES = {"Rtd": "avg", "Avg": "avg", "Min": "min", "Max": "max", "ZsRtd": "converted_avg", "Cou": "total"}


def assert_reads_as(frame: Frame, ref: dict[str, Any]) -> None:
    """Head, items and readings are those of the mechanical split."""
    for name in ("QN", "ST", "CN", "PW", "MN"):
        assert getattr(frame, name.lower()) == ref.get(name, "")
    if "Flag" in ref:
        assert frame.flag == int(ref["Flag"])
    pairs = [(name, value) for group in ref["CP"] for name, value in group]
    assert list(frame.fields) == pairs
    readings = {reading.code: reading for reading in frame.readings}
    for name, value in pairs:
        code, _, suffix = name.rpartition("-")
        if suffix in SUFFIXES:
            assert getattr(readings[code], SUFFIXES[suffix]) == float(value)
        elif suffix == "Flag" and code:
            assert readings[code].flag == value


@pytest.mark.parametrize("entry", SOUND, ids=lambda e: e["source"][:30])
def test_a_public_frame_with_right_crc_and_length_reads_as_its_source_says(entry: dict[str, Any]) -> None:
    frame = decode(entry["raw"].encode())
    assert frame.ok
    assert frame.crc is not None and frame.crc.computed == entry["crc_expected"]
    assert_reads_as(frame, entry["ref"])


@pytest.mark.parametrize("entry", BROKEN, ids=lambda e: e["source"][:30])
def test_any_other_public_frame_reads_with_problems(entry: dict[str, Any]) -> None:
    frame = decode(entry["raw"].encode())
    assert_reads_as(frame, entry["ref"])
    assert frame.problems
    assert frame.ok == entry["crc_ok"]
    if not frame.ok:
        assert any(p.severity is Severity.REFUSAL for p in frame.problems)


@pytest.mark.parametrize("entry", field_segments(), ids=lambda e: e["cn"])
def test_a_framed_public_segment_reads_as_its_source_says(entry: dict[str, Any]) -> None:
    frame = decode(entry["framed"].encode())
    assert frame.ok
    assert_reads_as(frame, entry["ref"])


def test_a_device_may_be_allowed_a_foreign_crc_and_it_is_still_reported() -> None:
    swapped = [e["raw"].encode() for e in field_frames() if e["crc_variant"] == "modbus_swapped"]
    assert len(swapped) == 4
    for raw in swapped:
        frame = decode(raw, accepted_crc=frozenset({CrcKind.HJ212, CrcKind.MODBUS_SWAPPED}))
        assert frame.ok and frame.readings
        assert "crc_modbus_swapped" in {problem.code for problem in frame.problems}


@pytest.mark.parametrize("packet", GOLDEN)
def test_the_golden_packets_are_ok(packet: bytes) -> None:
    frame = decode(packet)
    assert frame.ok and frame.crc is not None
    assert frame.crc.given.upper() == frame.crc.computed


def test_both_paths_agree_on_every_public_frame() -> None:
    assert assert_paths_agree(raw_frames()) > 80


@pytest.mark.parametrize("packet", raw_frames())
def test_the_splitter_gives_a_public_frame_back_whole(packet: bytes) -> None:
    splitter = Splitter()
    assert splitter.feed(packet) + splitter.finish() == [Packet(packet, 0)]


def test_all_public_frames_in_one_stream_come_apart() -> None:
    packets = raw_frames()
    splitter = Splitter()
    pieces = splitter.feed(b"".join(packets)) + splitter.finish()
    assert [piece.raw for piece in pieces] == packets
