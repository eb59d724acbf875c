"""Frames from words to bytes, for the editions of 2005, 2017 and 2025; and the host's answers.

Items of one factor are joined by `,`, factors by `;` (HJ 212-2017 §6.3.3.1). A data area that does not fit
goes out as packets that repeat DataTime, hold whole groups and have a QN of their own (C.49).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.clock import Interval
from domain.errors import MingchaError
from ingest.hj212 import sm4
from ingest.hj212.crc import crc_hj212, digits
from ingest.hj212.head import ANSWER_BIT, MN_LIMIT, SPLIT_BIT, VERSIONS, Head, is_command
from ingest.hj212.layout import SEGMENT_LIMIT
from ingest.hj212.model import Edition, Frame, ReadingValue
from ingest.hj212.numbers import format_number
from ingest.hj212.times import format_qn, format_time

#: The items of one factor: (`a21026-Avg`, `12.4`), (`a21026-Flag`, `N`).
Group = tuple[tuple[str, str], ...]

AREA_LIMIT = 950 - len("CP=&&&&")  # HJ 212-2017 table 3 counts name and brackets in
ANSWER_ST = "91"  # system interaction
_FLAG_BASE = {edition: bits << 2 for bits, edition in VERSIONS.items()}
#: The field that carries the result of 9011 and 9012 (HJ 212-2017 tables 6 and 7).
_RESULT_FIELDS = {"9011": "QnRtn", "9012": "ExeRtn"}
_NOT_IN_NAME = re.compile(r"[;,=&#\r\n]")
_LOG = re.compile(r"//(?:(?!//).)*//")
_ANSWERS = ("9011", "9012", "9013", "9014", "9015")


class EncodeError(MingchaError):
    """A frame cannot be written as asked; says which field and why."""


@dataclass(frozen=True)
class FrameDraft:
    """A message to be sent. Times aware; `qn` and `data_time` None leave the field out.

    `groups` are the data area after DataTime, a tuple of items per factor.
    """

    edition: Edition
    cn: str
    mn: str
    st: str = "31"
    pw: str = "123456"
    qn: datetime | None = None
    data_time: datetime | None = None
    groups: tuple[Group, ...] = ()
    wants_answer: bool = True
    resent: bool = False  # RF=1, written in the 2025 edition only


def encode(draft: FrameDraft, key: bytes | None = None) -> list[bytes]:
    """The packets of a message: one, or several numbered ones when the data area does not fit.

    The n-th packet of a split message has a QN n-1 milliseconds later. `key` (16 bytes) ciphers the area
    by SM4. Raises EncodeError on a field that cannot be written, ValueError on a wrong key.
    """
    _check(draft)
    lead = () if draft.data_time is None else ((("DataTime", format_time(draft.data_time)),),)
    areas = _areas(lead, draft.groups, area_room(draft))
    return [
        frame_segment(_head(draft, len(areas), number) + f"CP=&&{area}&&".encode(), key)
        for number, area in enumerate(areas, start=1)
    ]


def area_room(draft: FrameDraft) -> int:
    """Bytes a data area may have: table 3 allows 942, a long head leaves less of the 1024 of the segment."""
    return min(AREA_LIMIT, SEGMENT_LIMIT - len(_head(draft, 99, 99)) - len("CP=&&&&"))


def frame_segment(segment: bytes, key: bytes | None = None) -> bytes:
    """Put header, length, CRC and CRLF around a data segment; length and CRC are of the plain segment."""
    if len(segment) > SEGMENT_LIMIT:
        raise EncodeError(f"a segment has at most {SEGMENT_LIMIT} bytes, this one {len(segment)}")
    crc = digits(crc_hj212(segment)).encode()
    body = segment if key is None else sm4.encrypt_segment(segment, key)
    return b"##%04d%b%b\r\n" % (len(segment), body, crc)


def answer(request: Head | Frame, cn: str, *, result: int | None = None) -> bytes:
    """The host's answer to a packet, in the packet's edition.

    9011 and 9012 carry `result` (QnRtn, ExeRtn; 1 when None), 9013, 9014 and 9015 have nothing to say.
    2005 puts QN inside CP; 2017 puts it in front with Flag=4, 2025 with Flag=8. Raises EncodeError.
    """
    if cn not in _ANSWERS:
        raise EncodeError(f"CN={cn} is no answer; answers are {', '.join(_ANSWERS)}")
    field = _RESULT_FIELDS.get(cn)
    items = [] if field is None else [f"{field}={1 if result is None else result}"]
    edition = request.edition or Edition.HJ_2017
    head = [f"ST={ANSWER_ST}", f"CN={cn}", f"PW={_plain(request.pw)}", f"MN={_plain(request.mn)}"]
    qn = [f"QN={_plain(request.qn)}"] if request.qn else []
    if edition is Edition.HJ_2005:
        items = qn + items
        head += [] if request.flag is None else ["Flag=0"]
    else:
        head = [*qn, *head, f"Flag={_FLAG_BASE[edition]}"]
    segment = f"{';'.join(head)};CP=&&{';'.join(items)}&&"
    return frame_segment(segment.encode())


def reading_group(reading: ReadingValue, interval: Interval) -> Group:
    """The items of one factor as devices send them, in the order of HJ 212-2017 C.15 to C.20.

    Raises EncodeError on a number that cannot be sent.
    """
    realtime = interval is Interval.REALTIME
    values = (
        ("Cou", reading.total),
        ("Min", reading.min),
        ("Rtd" if realtime else "Avg", reading.avg),
        ("Max", reading.max),
        ("ZsMin", reading.converted_min),
        ("ZsRtd" if realtime else "ZsAvg", reading.converted_avg),
        ("ZsMax", reading.converted_max),
    )
    try:
        items = [(f"{reading.code}-{s}", format_number(v)) for s, v in values if v is not None]
    except ValueError as error:
        raise EncodeError(f"{reading.code}: {error}") from error
    items += [(f"{reading.code}-{suffix}", text) for suffix, text in reading.extra]
    if reading.flag:
        items.append((f"{reading.code}-Flag", reading.flag))
    return tuple(items)


def _head(draft: FrameDraft, count: int, number: int) -> bytes:
    flag = _FLAG_BASE[draft.edition] | (ANSWER_BIT if draft.wants_answer else 0)
    fields = []
    if draft.qn is not None:
        fields.append(f"QN={format_qn(draft.qn + timedelta(milliseconds=number - 1))}")
    fields += [f"ST={draft.st}", f"CN={draft.cn}", f"PW={draft.pw}", f"MN={draft.mn}"]
    fields.append(f"Flag={flag | (SPLIT_BIT if count > 1 else 0)}")
    if count > 1:
        fields += [f"PNUM={count}", f"PNO={number}"]
    if draft.resent and draft.edition is Edition.HJ_2025:
        fields.append("RF=1")
    return (";".join(fields) + ";").encode()


def _areas(lead: tuple[Group, ...], groups: Sequence[Group], room: int) -> list[str]:
    """Fill data areas of at most `room` bytes with whole groups, each area beginning with the lead."""
    head = [_joined(group) for group in lead]
    areas, parts, size = [], list(head), _size(head)
    for text in (_joined(group) for group in groups if group):
        length = len(text.encode()) + 1
        if size + length - 1 > room and len(parts) > len(head):
            areas.append(";".join(parts))
            parts, size = list(head), _size(head)
        if size + length - 1 > room:
            raise EncodeError(f"the items {text[:40]}… do not fit into {room} bytes")
        parts.append(text)
        size += length
    return [*areas, ";".join(parts)]


def _size(parts: Sequence[str]) -> int:
    """Bytes of the parts, a separator after each."""
    return sum(len(part.encode()) + 1 for part in parts)


def _joined(group: Group) -> str:
    for name, value in group:
        if not name or name != name.strip() or _NOT_IN_NAME.search(name):
            raise EncodeError(f"{name!r} cannot name an item")
        if value != value.strip() or "&&" in value or "\r" in value or "\n" in value:
            raise EncodeError(f"{name}={value[:40]!r} cannot stand in a data area")
        if (value.startswith("//") or ";" in value or "," in value) and not _LOG.fullmatch(value):
            raise EncodeError(f"{name}: a value with ; or , stands between // and //, and holds no other //")
    return ",".join(f"{name}={value}" for name, value in group)


def _check(draft: FrameDraft) -> None:
    if not is_command(draft.cn):
        raise EncodeError(f"CN has 4 digits, not {draft.cn!r}")
    if not 0 < len(draft.mn) <= MN_LIMIT:
        raise EncodeError(f"MN has 1 to {MN_LIMIT} characters, not {draft.mn!r}")
    for name in ("st", "pw", "mn"):
        text = getattr(draft, name)
        if text != _plain(text):
            raise EncodeError(f"{name.upper()} {text!r} cannot stand in a head")
    for field, time in (("QN", draft.qn), ("DataTime", draft.data_time)):
        if time is not None and time.tzinfo is None:
            raise EncodeError(f"{field} needs a time with a zone, not {time.isoformat()}")


def _plain(text: str) -> str:
    """The characters of a head field that cannot break the frame."""
    return "".join(c for c in text if c.isascii() and c.isprintable() and c not in ";,=&# ")[:40]
