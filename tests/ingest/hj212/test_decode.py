from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import Interval
from ingest.hj212 import (
    Edition,
    Frame,
    Packet,
    Severity,
    Splitter,
    crc_hj212,
    decode,
    frame_segment,
    read_head,
)
from tests.ingest.hj212.frames import GOLDEN, HOUR, MN, REALTIME, raw_frames
from tests.ingest.hj212.strategies import damaged, signed_anew, streams

KEY = b"0" * 16


def made(area: str, head: str = f"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN={MN};Flag=5") -> Frame:
    return decode(frame_segment(f"{head};CP=&&{area}&&".encode()))


def codes(frame: Frame) -> set[str]:
    return {problem.code for problem in frame.problems}


@given(st.one_of(st.binary(max_size=400), streams, damaged(), signed_anew()))
def test_no_bytes_raise_and_every_refusal_has_a_reason(packet: bytes) -> None:
    for key in (None, KEY):
        frame = decode(packet, key=key)
        read_head(packet, key)
        assert frame.raw == packet
        assert frame.ok or any(problem.severity is Severity.REFUSAL for problem in frame.problems)
        for problem in frame.problems:
            assert 0 <= problem.offset <= len(packet)
            assert problem.text


@given(damaged())
def test_a_damaged_frame_passes_only_with_a_right_crc(packet: bytes) -> None:
    frame = decode(packet)
    if frame.ok:
        assert frame.crc is not None
        assert int(frame.crc.given, 16) == int(frame.crc.computed, 16)


def test_a_realtime_frame_reads_in_full() -> None:
    frame = decode(REALTIME)
    assert (frame.edition, frame.cn, frame.mn, frame.flag) == (Edition.HJ_2017, "2011", MN, 5)
    assert frame.data_time == datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert frame.interval is Interval.REALTIME
    assert frame.problems == ()
    so2 = frame.readings[1]
    assert (so2.code, so2.factor, so2.avg, so2.converted_avg, so2.flag) == (
        "a21026",
        "a21026",
        12.3,
        13.18,
        "N",
    )
    assert frame.readings[6].avg == -0.15


def test_an_hour_frame_reads_in_full() -> None:
    (so2,) = decode(HOUR).readings
    assert (so2.total, so2.min, so2.avg, so2.max) == (6.9, 9.1, 12.4, 18.0)
    assert (so2.converted_min, so2.converted_avg, so2.converted_max) == (9.7, 13.29, 19.3)


def test_a_wrong_crc_refuses_the_frame_and_shows_its_readings() -> None:
    frame = decode(REALTIME.replace(b"12.30", b"99.30"))
    assert not frame.ok and len(frame.readings) == 9
    assert "crc_wrong" in codes(frame)


@pytest.mark.parametrize(
    ("area", "code"),
    [
        ("DataTime=20261120100000,a21026-Rtd=1.5,a21026-Flag=N,a21002-Rtd=2", ""),
        ("DataTime=20261120100000; a21026-Rtd=1.5 ,a21026-Flag=N;a21002-Rtd=2", "blanks"),
        ("DataTime=20261120100000;a21026-Rtd=1.5,;a21026-Flag=N;a21002-Rtd=2;", "empty_item"),
        ("DataTime=20261120100000;a21026-Rtd=1.5;a21002-Rtd=2;a21026-Flag=N", "group_split"),
        ("DataTime=20261120100000;a21026-Rtd=1.5,a21026-Rtd=9,a21026-Flag=N;a21002-Rtd=2", "repeated_key"),
        ("DataTime=20261120100000;a21026-rtd=1.5,a21026-Flag=N;a21002-Rtd=2", "wrong_case"),
        ("DataTime=20261120100000123;a21026-Rtd=1.5,a21026-Flag=N;a21002-Rtd=2", "data_time_not_14_digits"),
        ("DataTime=20261120100000;a21026-Rtd=1.5;Flag=N;a21002-Rtd=2", "flag_without_code"),
        ("DataTime=20261120100000;02-Rtd=1.5,02-Flag=N;a21002-Rtd=2", ""),
        ("DataTime=20261120100000;a21026-Rtd=1.5,a21026-Flag=N;a21002-Rtd=2;oops", "item_without_value"),
        ("DataTime=20261120100000;a21026-Rtd=1.5,a21026-Flag=N;a21002-Rtd=2;a21004-Rtd=", "value_empty"),
        (
            "DataTime=20261120100000;a21026-Rtd=1.5,a21026-Flag=N;a21002-Rtd=2;a21004-Rtd=--",
            "value_not_a_number",
        ),
        (
            "DataTime=20261120100000;a21026-Rtd=1.5,a21026-Flag=N;a21002-Rtd=2;a21004-Rtd=NaN",
            "value_not_finite",
        ),
        (
            "DataTime=20261120100000;a21026-Rtd=1.5,a21026-Flag=N;a21002-Rtd=2;a21004-Rtd=1e308",
            "value_too_large",
        ),
    ],
)
def test_a_tolerated_data_area_gives_the_same_readings(area: str, code: str) -> None:
    frame = made(area)
    assert frame.ok
    so2, nox = frame.readings
    assert (so2.factor, so2.avg, so2.flag, nox.avg) == ("a21026", 1.5, "N", 2.0)
    assert frame.data_time == datetime(2026, 11, 20, 2, tzinfo=UTC)
    assert codes(frame) == ({code} if code else set())


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("9999", "value_implausible"),
        ("-3", "value_implausible"),
        ("1e400", "value_too_large"),
        ("9" * 800, "value_too_large"),
        ("9" * 800 + "x", "value_not_a_number"),
    ],
)
def test_an_implausible_value_is_reported_and_the_frame_stays_ok(value: str, code: str) -> None:
    frame = made(f"DataTime=20261120100000;a21026-Rtd={value},a21026-Flag=N")
    assert frame.ok and codes(frame) == {code}


def test_a_log_between_slashes_may_hold_separators() -> None:
    frame = made("DataTime=20261120100000;i11001-Info=//a=1;b,c//;PolId=a21026")
    assert ("i11001-Info", "//a=1;b,c//") in frame.fields and ("PolId", "a21026") in frame.fields


def test_chinese_is_read_as_utf8_and_otherwise_as_gb18030() -> None:
    utf8 = made("DataTime=20261120100000;i11001-Info=//烟气分析仪校准//")
    segment = f"ST=31;CN=3020;PW=123456;MN={MN};Flag=5;CP=&&i11001-Info=//烟气分析仪校准//&&"
    gbk = decode(frame_segment(segment.encode("gb18030")))
    assert utf8.fields[1] == gbk.fields[0] == ("i11001-Info", "//烟气分析仪校准//")
    assert "not_utf8" in codes(gbk) and "not_utf8" not in codes(utf8)


def test_two_codes_of_one_factor_do_not_make_two_readings_of_it() -> None:
    frame = made("DataTime=20261120100000;02-Rtd=1;a21026-Rtd=2")
    assert [reading.factor for reading in frame.readings] == ["a21026", None]
    assert "factor_twice" in codes(frame)


@pytest.mark.parametrize(
    ("head", "edition"),
    [
        ("ST=31;CN=2011;PW=123456;MN=88888880000001", "2005"),
        (f"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN={MN}", "2017"),
        (f"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN={MN};Flag=1", "2005"),
        (f"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN={MN};Flag=4", "2017"),
        (f"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN={MN};Flag=9;RF=1", "2025"),
        (f"QN=20210301111100112;ST=21;CN=2011;PW=123456;MN={MN};Flag=8", "2017"),
    ],
)
def test_the_edition_follows_the_version_bits_else_the_shape(head: str, edition: str) -> None:
    frame = made("", head)
    assert frame.ok and frame.edition == edition
    assert frame.resent == ("RF=1" in head)


@pytest.mark.parametrize("numbers", ["PNUM=2;PNO=1", "PNO=0001;PNUM=0002"])
def test_part_numbers_are_read_in_any_order_and_padding(numbers: str) -> None:
    head = f"QN=20261120100000123;ST=31;CN=2061;PW=123456;MN={MN};Flag=7;{numbers}"
    frame = made("DataTime=20261120100000;a21026-Avg=1", head)
    assert (frame.pnum, frame.pno, frame.ok, codes(frame)) == (2, 1, True, set())


def test_a_flag_after_the_data_area_is_read() -> None:
    segment = f"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN={MN};CP=&&DataTime=20261120100000&&;Flag=5"
    packet = frame_segment(segment.encode()).strip()
    splitter = Splitter()
    assert splitter.feed(packet + HOUR) == [Packet(packet, 0), Packet(HOUR, len(packet))]
    frame = decode(packet)
    assert frame.flag == 5 and "field_after_area" in codes(frame)


def test_a_2005_answer_carries_its_qn_inside_the_data_area() -> None:
    frame = made("QN=20260101000000123;QnRtn=1", "ST=91;CN=9011;PW=123456;MN=88888880000001")
    assert frame.ok and frame.qn == "20260101000000123"


@pytest.mark.parametrize(
    ("area", "cn", "ok"),
    [
        ("a21026-Rtd=1", "2011", True),  # QN stands for the moment
        ("a21026-Avg=1", "2061", False),  # which hour?
        ("DataTime=20260230100000;a21026-Avg=1", "2061", False),
    ],
)
def test_readings_without_a_time_are_refused_unless_qn_tells_it(area: str, cn: str, ok: bool) -> None:
    frame = made(area, f"QN=20261120100000123;ST=31;CN={cn};PW=123456;MN={MN};Flag=5")
    assert frame.ok is ok and frame.readings


@pytest.mark.parametrize(
    "tail", [b"", b"\r", b"\n", b"**\r\n", b"\r\n"], ids=["none", "cr", "lf", "stars", "crlf"]
)
def test_the_tail_does_not_matter(tail: bytes) -> None:
    frame = decode(REALTIME.removesuffix(b"\r\n") + tail)
    assert frame.ok and frame.readings == decode(REALTIME).readings
    assert bool(frame.problems) == (tail != b"\r\n")


def test_a_crc_in_lower_case_or_without_its_leading_zero_is_right() -> None:
    for digits, code in ((b"0d80", "crc_lower_case"), (b"D80", "crc_short")):
        frame = decode(REALTIME.replace(b"0D80", digits))
        assert frame.ok and codes(frame) == {code}


def test_problems_point_at_the_byte() -> None:
    packet = frame_segment(GOLDEN[7][6:-6].replace(b"a19001-Rtd=7.0", b"a19001-Rtd=7.x"))
    (problem,) = decode(packet).problems
    assert packet[problem.offset :].startswith(b"a19001-Rtd=7.x")
    assert problem.code == "value_not_a_number"


def test_the_payload_hash_ignores_the_head() -> None:
    resent = frame_segment(REALTIME[6:-6].replace(b"QN=20261120100000123", b"QN=20261120100500999"))
    assert decode(resent).payload_hash == decode(REALTIME).payload_hash != decode(HOUR).payload_hash


@pytest.mark.parametrize("packet", raw_frames())
def test_the_quick_look_and_the_full_one_see_the_same_head(packet: bytes) -> None:
    head, frame = read_head(packet), decode(packet)
    for name in ("edition", "qn", "st", "cn", "pw", "mn", "flag", "pnum", "pno", "resent"):
        assert getattr(head, name) == getattr(frame, name)
    assert frame.crc is not None and head.crc is frame.crc.kind
    assert crc_hj212(b"") == 0xFFFF
