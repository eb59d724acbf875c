from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.clock import SHANGHAI, Interval
from ingest.hj212 import Edition, FrameDraft, ReadingValue, answer, decode, encode, read_head, reading_group
from ingest.hj212.encode import EncodeError
from ingest.hj212.numbers import format_number, parse_number
from ingest.hj212.report import draft_of, frame_report
from tests.ingest.hj212.frames import GOLDEN, MN, REALTIME
from tests.ingest.hj212.strategies import drafts

KEYS = st.one_of(st.none(), st.binary(min_size=16, max_size=16))
NOW = datetime(2026, 11, 20, 10, tzinfo=SHANGHAI)


@given(drafts(), KEYS)
def test_what_is_encoded_decodes_to_the_same_message(draft: FrameDraft, key: bytes | None) -> None:
    packets = [decode(packet, key=key) for packet in encode(draft, key)]
    assert all(packet.ok for packet in packets)
    first = packets[0]
    assert (first.edition, first.cn, first.mn, first.st) == (draft.edition, draft.cn, draft.mn, draft.st)
    assert first.resent == (draft.resent and draft.edition is Edition.HJ_2025)
    assert first.flag is not None and bool(first.flag & 1) == draft.wants_answer
    sent = [item for group in draft.groups for item in group]
    got = [field for packet in packets for field in packet.fields if field[0] != "DataTime"]
    assert got == sent
    assert {packet.data_time for packet in packets} == {draft.data_time}
    if len(packets) > 1:
        assert [(p.pno, p.pnum) for p in packets] == [(i + 1, len(packets)) for i in range(len(packets))]
        assert len({packet.qn for packet in packets}) == len(packets)


@given(drafts())
def test_every_packet_keeps_to_the_limits_of_the_standard(draft: FrameDraft) -> None:
    allowed = {
        "mn_length",
        "group_split",
        "repeated_key",
        "private_code",
        "value_implausible",
        "factor_twice",
    }
    allowed |= {"min_avg_max", "value_too_large", "data_time_after_qn"}
    for packet in encode(draft):
        assert {problem.code for problem in decode(packet).problems} <= allowed


@pytest.mark.parametrize("packet", [p for p in GOLDEN if b"Flag=5;" in p or b"Flag=4;" in p])
def test_a_golden_packet_read_and_written_again_is_the_same_packet(packet: bytes) -> None:
    assert encode(draft_of(frame_report(decode(packet), 0))) == [packet]


def test_the_answer_of_2017_repeats_qn_in_front_with_flag_4() -> None:
    assert answer(read_head(REALTIME), "9014") == GOLDEN[8]


@pytest.mark.parametrize(
    ("edition", "segment"),
    [
        (Edition.HJ_2005, f"ST=91;CN=9011;PW=123456;MN={MN};Flag=0;CP=&&QN=20261120100000000;QnRtn=9&&"),
        (Edition.HJ_2017, f"QN=20261120100000000;ST=91;CN=9011;PW=123456;MN={MN};Flag=4;CP=&&QnRtn=9&&"),
        (Edition.HJ_2025, f"QN=20261120100000000;ST=91;CN=9011;PW=123456;MN={MN};Flag=8;CP=&&QnRtn=9&&"),
    ],
)
def test_each_edition_is_answered_in_its_own_style(edition: Edition, segment: str) -> None:
    (request,) = encode(FrameDraft(edition, "2011", MN, qn=NOW, data_time=NOW))
    reply = answer(read_head(request), "9011", result=9)
    assert reply[6:-6].decode() == segment
    assert decode(reply).ok and decode(reply).edition == edition


def test_an_answer_to_a_2005_frame_without_flag_has_none() -> None:
    head = read_head(b"##0056ST=31;CN=2011;PW=123456;MN=88888880000001;CP=&&&&0000\r\n")
    assert answer(head, "9014")[6:-6] == b"ST=91;CN=9014;PW=123456;MN=88888880000001;CP=&&&&"


@given(st.binary(max_size=80))
def test_any_head_can_be_answered(noise: bytes) -> None:
    for cn in ("9011", "9012", "9013", "9014", "9015"):
        assert decode(answer(read_head(b"##0100QN=" + noise), cn)).crc is not None


@given(st.floats(-1e14, 1e14))
def test_a_number_written_reads_back_bit_for_bit(value: float) -> None:
    assert parse_number(format_number(value)).hex() == value.hex()


def test_a_reading_goes_out_with_the_suffixes_of_its_interval() -> None:
    reading = ReadingValue("a21026", None, avg=1.5, converted_avg=2.0, flag="N")
    assert reading_group(reading, Interval.REALTIME) == (
        ("a21026-Rtd", "1.5"), ("a21026-ZsRtd", "2"), ("a21026-Flag", "N"),
    )  # fmt: skip
    assert next(name for name, _ in reading_group(reading, Interval.HOUR)) == "a21026-Avg"


@pytest.mark.parametrize(
    "draft",
    [
        FrameDraft(Edition.HJ_2017, "11", MN),
        FrameDraft(Edition.HJ_2017, "2011", ""),
        FrameDraft(Edition.HJ_2017, "2011", "a;b"),
        FrameDraft(Edition.HJ_2017, "2011", MN, qn=NOW.replace(tzinfo=None)),
        FrameDraft(Edition.HJ_2017, "2011", MN, groups=((("a-Rtd", "1;2"),),)),
        FrameDraft(Edition.HJ_2017, "2011", MN, groups=((("a=b", "1"),),)),
        FrameDraft(Edition.HJ_2017, "2011", MN, groups=((("a-Info", "//a//b//"),),)),
        FrameDraft(Edition.HJ_2017, "2011", MN, groups=((("a-Info", "x" * 990),),)),
        FrameDraft(Edition.HJ_2017, "2011", MN, data_time=datetime(2026, 1, 1), groups=()),
    ],
)
def test_what_would_break_a_frame_is_refused_with_a_sentence(draft: FrameDraft) -> None:
    with pytest.raises(EncodeError, match=r"\w+ \w+"):
        encode(draft)


def test_a_number_without_end_cannot_be_sent() -> None:
    with pytest.raises(EncodeError, match="a21026: nan"):
        reading_group(ReadingValue("a21026", None, avg=float("nan")), Interval.HOUR)
    assert decode(REALTIME).data_time == datetime(2026, 11, 20, 2, tzinfo=UTC)
