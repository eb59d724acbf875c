"""The fields before the data area: QN, ST, CN, PW, MN, Flag, PNUM, PNO, RF; and the gateway's quick look."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from ingest.hj212 import sm4
from ingest.hj212.layout import read_layout
from ingest.hj212.model import CrcKind, Edition, Problem, Severity
from ingest.hj212.times import parse_time

NAMES = ("QN", "ST", "CN", "PW", "MN", "Flag", "PNUM", "PNO", "RF")
AREA_OPENS = re.compile(r"CP\s*=\s*&&")
MN_LIMIT = 24  # HJ 212-2017 table 3
#: Bits 7..2 of Flag (HJ 212-2017 table 3, 2025 the same).
VERSIONS: Mapping[int, Edition] = {0: Edition.HJ_2005, 1: Edition.HJ_2017, 2: Edition.HJ_2025}
ANSWER_BIT, SPLIT_BIT = 1, 2
#: The surface-water dialect set the bits of 2025 years before; no device spoke 2025 before its draft.
FIRST_2025_FRAME = datetime(2023, 12, 31, 16, tzinfo=UTC)
_ITEM = re.compile(r"[^;,]+")
_CODE_2017 = re.compile(r"[;,&]\s*[a-z]\d{5}-")
_UPPER = {name.upper(): name for name in NAMES}
_DATA_TIME = re.compile(r"DataTime\s*=\s*(\d+)")
_INNER_QN = re.compile(r"(?:^|[;,])QN=(\d+)")


@dataclass(frozen=True)
class HeadFields:
    """The head as text and numbers; absent is '' or None."""

    qn: str
    st: str
    cn: str
    pw: str
    mn: str
    flag: int | None
    pnum: int | None
    pno: int | None
    resent: bool


@dataclass(frozen=True)
class Head:
    """What the gateway needs of a packet before it may answer. Times aware UTC."""

    edition: Edition
    qn: str
    st: str
    cn: str
    pw: str
    mn: str
    flag: int | None
    pnum: int | None
    pno: int | None
    resent: bool
    data_time: datetime | None
    crc: CrcKind

    @property
    def wants_answer(self) -> bool:
        """Bit 0 of Flag. Frames without Flag (2005) ask for none."""
        return self.flag is not None and bool(self.flag & ANSWER_BIT)


def read_head(packet: bytes, key: bytes | None = None) -> Head:
    """The head of a packet without its readings. Total: what cannot be read is empty.

    `key` is the SM4 key of the device (16 bytes); without it the CRC of a ciphered frame reads WRONG.
    Raises ValueError only on a key that is not 16 bytes.
    """
    layout = read_layout(packet)
    given = packet[layout.segment_end : layout.crc_end].decode("latin-1")
    plain = sm4.open_segment(packet[layout.segment_start : layout.segment_end], given, key)
    text = plain.segment.decode("latin-1")
    area_at = AREA_OPENS.search(text)
    head_text = text[: area_at.start()] if area_at else text
    area = text[area_at.end() :] if area_at else ""
    fields = read_fields(head_text, 0, [])
    time = _DATA_TIME.search(area)
    data_time = parse_time(time.group(1)) if time else None
    inner_qn = None if fields.qn else _INNER_QN.search(area)
    qn = inner_qn.group(1) if inner_qn else fields.qn
    edition = edition_of(fields, text, data_time or parse_time(qn), [])
    return Head(
        edition, qn, fields.st, fields.cn, fields.pw, fields.mn, fields.flag,
        fields.pnum, fields.pno, fields.resent, data_time, plain.crc.kind,
    )  # fmt: skip


def read_fields(text: str, offset: int, problems: list[Problem]) -> HeadFields:
    """Read `name=value` separated by `;` or `,`; deviations go to `problems`; offset is that of the text."""
    values: dict[str, str] = {}
    for item in _ITEM.finditer(text):
        name, equals, value = item.group().partition("=")
        at = offset + item.start()
        bare, value = name.strip(), value.strip()
        if not equals:
            if bare:
                text_ = f"{bare[:20]!r} in the head has no ="
                problems.append(Problem("head_item_without_value", at, text_))
            continue
        known = _UPPER.get(bare.upper())
        if known is None:
            problems.append(Problem("head_field_unknown", at, f"the head has a field {bare[:20]!r}"))
        elif known in values:
            problems.append(
                Problem("repeated_key", at, f"{known} stands twice, the first counts", Severity.DOUBT)
            )
        else:
            if bare != known:
                problems.append(Problem("wrong_case", at, f"{bare} is written for {known}"))
            values[known] = value
    return HeadFields(
        qn=values.get("QN", ""),
        st=values.get("ST", ""),
        cn=values.get("CN", ""),
        pw=values.get("PW", ""),
        mn=values.get("MN", ""),
        flag=_integer("Flag", values, 255, offset, problems),
        pnum=_integer("PNUM", values, 9999, offset, problems),
        pno=_integer("PNO", values, 9999, offset, problems),
        resent=_integer("RF", values, 1, offset, problems) == 1,
    )


def _integer(
    name: str, values: Mapping[str, str], largest: int, offset: int, problems: list[Problem]
) -> int | None:
    text = values.get(name)
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= largest:
        return int(text)
    sentence = f"{name}={text[:20]!r} is not a whole number up to {largest}"
    problems.append(Problem("head_number", offset, sentence, Severity.DOUBT))
    return None


def edition_of(fields: HeadFields, segment: str, time: datetime | None, problems: list[Problem]) -> Edition:
    """The edition a frame follows: by the version bits of Flag, else by its shape."""
    flag = fields.flag
    if flag is None:
        return _by_shape(fields, segment)
    stated = VERSIONS.get(flag >> 2)
    if stated is None:
        text = f"Flag={flag} names no edition we know"
        problems.append(Problem("edition_unknown", segment.find("Flag"), text, Severity.DOUBT))
        return _by_shape(fields, segment)
    if stated is Edition.HJ_2025 and time is not None and time < FIRST_2025_FRAME:
        text = f"Flag={flag} means 2025, but the frame is older than that edition; read as 2017"
        problems.append(Problem("edition_doubtful", segment.find("Flag"), text, Severity.DOUBT))
        return Edition.HJ_2017
    return stated


def _by_shape(fields: HeadFields, segment: str) -> Edition:
    """RF came with 2025; letter and five digits, or an MN of 24, with 2017."""
    if fields.resent:
        return Edition.HJ_2025
    if len(fields.mn) == MN_LIMIT or _CODE_2017.search(segment):
        return Edition.HJ_2017
    return Edition.HJ_2005


class Note(Protocol):
    def __call__(self, code: str, text: str, severity: Severity = ...) -> None: ...


def report_head(fields: HeadFields, edition: Edition, offset: int, problems: list[Problem]) -> None:
    """Deviations of the head from its edition (table 3 of HJ 212-2017)."""

    def note(code: str, text: str, severity: Severity = Severity.NOTE) -> None:
        problems.append(Problem(code, offset, text, severity))

    if not fields.qn:
        if edition is not Edition.HJ_2005:
            note("qn_absent", "the frame has no QN")
    elif len(fields.qn) != 17 or not fields.qn.isdigit():
        note("qn_not_17_digits", f"QN={fields.qn[:40]} is not 17 digits")
    elif parse_time(fields.qn) is None:
        note("qn_not_a_time", f"QN={fields.qn} is no time")
    if len(fields.st) != 2:
        note("st_not_2_characters", f"ST={fields.st[:20]!r} is not 2 characters")
    if not is_command(fields.cn):
        text = f"CN={fields.cn[:20]!r} is not 4 digits: nobody knows what the frame says"
        note("cn_not_4_digits", text, Severity.REFUSAL)
    if len(fields.pw) != 6:
        note("pw_not_6_characters", f"PW has {len(fields.pw)} characters, not 6")
    _report_mn(fields.mn, edition, note)
    _report_split(fields, note)


def is_command(cn: str) -> bool:
    return len(cn) == 4 and cn.isascii() and cn.isdigit()


def _report_mn(mn: str, edition: Edition, note: Note) -> None:
    usual = 14 if edition is Edition.HJ_2005 else MN_LIMIT
    if not mn:
        note("mn_absent", "the frame has no MN", Severity.DOUBT)
    elif len(mn) > MN_LIMIT:
        note("mn_too_long", f"MN has {len(mn)} characters, at most {MN_LIMIT} fit", Severity.REFUSAL)
    elif len(mn) != usual:
        note("mn_length", f"MN has {len(mn)} characters, the {edition} edition has {usual}")


def _report_split(fields: HeadFields, note: Note) -> None:
    announced = fields.flag is not None and bool(fields.flag & SPLIT_BIT)
    numbered = fields.pnum is not None or fields.pno is not None
    if announced and not numbered:
        note("split_without_numbers", f"Flag={fields.flag} announces PNUM and PNO, neither is there")
    if numbered and not announced:
        note("numbers_without_split", "PNUM or PNO stand there, the split bit of Flag is not set")
    if numbered and (fields.pno is None or not 1 <= fields.pno <= (fields.pnum or 0)):
        text = f"PNO={fields.pno} does not number a packet of PNUM={fields.pnum}"
        note("part_number", text, Severity.DOUBT)
