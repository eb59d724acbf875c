"""Arbitrary and damaged frames for the property tests."""

from __future__ import annotations

from datetime import datetime, timedelta

from hypothesis import strategies as st

from domain.clock import SHANGHAI
from ingest.hj212 import Edition, FrameDraft, frame_segment
from tests.ingest.hj212.frames import raw_frames

_PIECES = [b"##", b"#", b"&&", b"&", b"\r\n", b"\r", b"\n", b"**", b"=", b";", b",", b",;", b"-", b" ", b"//"]
_PIECES += [b"CP=&&", b"Flag=", b"\x00", b"\xff", b"9", b"1e308", b"nan", b"##0050Q", b"&&1C80\r\n", b"-Rtd="]

frames = st.sampled_from(raw_frames())


@st.composite
def damaged(draw: st.DrawFn, source: st.SearchStrategy[bytes] = frames) -> bytes:
    """A frame with one to four bytes or pieces overwritten, removed or put in."""
    frame = draw(source)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(frame)))
        piece = draw(st.one_of(st.sampled_from(_PIECES), st.binary(max_size=3)))
        removed = draw(st.integers(0, 12))
        frame = frame[:at] + piece + frame[at + removed :]
    return frame


@st.composite
def signed_anew(draw: st.DrawFn) -> bytes:
    """A damaged segment under a right length and CRC: only the grammar can complain."""
    segment = draw(damaged(frames.map(_segment)))
    return frame_segment(segment[:1024])


def _segment(frame: bytes) -> bytes:
    end = frame.rfind(b"&&")
    start = max(frame.find(b"QN="), 6) if frame[6:9] == b"QN=" else 6
    return frame[start : end + 2]


streams = st.lists(
    st.one_of(frames, damaged(), st.sampled_from([*_PIECES, b"##99", b"junk"])), min_size=1, max_size=5
).map(b"".join)

times = st.datetimes(datetime(2024, 1, 1), datetime(2089, 12, 31)).map(
    lambda time: time.replace(tzinfo=SHANGHAI, microsecond=time.microsecond // 1000 * 1000)
)
codes = st.sampled_from(["a34013", "a21026", "a00000", "w01018", "02", "S01", "B02", "TVOC", "d10101"])
numbers = st.one_of(
    st.decimals(-9999, 99999, places=3).map(str),
    st.integers(-(10**6), 10**6).map(str),
    st.from_regex(r"[+-]?([0-9]{1,12}\.?[0-9]{0,10}|\.[0-9]{1,17})", fullmatch=True),
)
flags = st.sampled_from(["N", "F", "D", "T", "St", "Md"])


@st.composite
def drafts(draw: st.DrawFn) -> FrameDraft:
    """A message with readings, of any edition, small or in need of splitting."""
    cn, suffixes = draw(
        st.sampled_from(
            [("2011", ("Rtd", "ZsRtd")), ("2051", ("Cou", "Min", "Avg", "Max")), ("2061", ("Avg",))]
        )
    )
    groups = []
    for code in draw(st.lists(codes, max_size=30, unique=False)):
        items = [(f"{code}-{suffix}", draw(numbers)) for suffix in suffixes]
        groups.append((*items, (f"{code}-Flag", draw(flags))))
    data_time = draw(times).replace(minute=0, second=0, microsecond=0)
    return FrameDraft(
        edition=draw(st.sampled_from(list(Edition))),
        cn=cn,
        mn=draw(st.from_regex(r"[0-9A-Z_]{4,24}", fullmatch=True)),
        qn=data_time + timedelta(milliseconds=draw(st.integers(0, 10**7))),
        data_time=data_time,
        groups=tuple(groups),
        wants_answer=draw(st.booleans()),
        resent=draw(st.booleans()),
    )
