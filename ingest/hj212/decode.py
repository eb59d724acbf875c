"""One packet to one Frame: the readable path. Total over all bytes; every deviation is a Problem.

A frame is `ok` when its CRC is of an accepted kind and no problem is a refusal. What could be read of a
refused frame stands in it all the same: an officer may have to look at it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from domain.clock import Interval, in_shanghai, to_microseconds
from ingest.hj212 import sm4
from ingest.hj212.area import Item, read_items, read_readings
from ingest.hj212.fnv import fnv1a
from ingest.hj212.head import AREA_OPENS, HeadFields, edition_of, read_fields, report_head
from ingest.hj212.layout import read_layout
from ingest.hj212.model import CrcKind, Frame, Problem, ReadingValue, Severity
from ingest.hj212.sm4 import OpenedSegment
from ingest.hj212.times import parse_time

#: What the readings of a data command cover (HJ 212-2017 table 9; 2111 five minutes, 2025).
INTERVALS = {
    "2011": Interval.REALTIME,
    "2051": Interval.MINUTE,
    "2111": Interval.MINUTE,
    "2061": Interval.HOUR,
    "2031": Interval.DAY,
}
ONLY_HJ212 = frozenset({CrcKind.HJ212})
AREA_LIMIT = 950  # HJ 212-2017 table 3
_FIRST_YEAR, _LAST_YEAR = 2000, 2099
_CLOCK_TOLERANCE = timedelta(hours=1)
_CRC_NAMES = {CrcKind.MODBUS: "CRC-16/MODBUS", CrcKind.MODBUS_SWAPPED: "CRC-16/MODBUS with bytes swapped"}


def decode(
    packet: bytes, *, accepted_crc: frozenset[CrcKind] = ONLY_HJ212, key: bytes | None = None
) -> Frame:
    """Read one packet (`##` to its last byte, with or without tail). Times aware UTC.

    `accepted_crc` are the kinds this device may send; anything but HJ212 is reported even when accepted.
    `key` is its SM4 key (16 bytes, HJ 212-2025). Raises ValueError on a key of another length; on no packet.
    """
    packet = bytes(packet)
    layout = read_layout(packet)
    problems = list(layout.problems)
    given = packet[layout.segment_end : layout.crc_end].decode("latin-1")
    opened = sm4.open_segment(packet[layout.segment_start : layout.segment_end], given, key)
    _report_crc(opened, layout.segment_end, accepted_crc, problems)
    _report_cipher(opened, layout.segment_start, key, problems)

    text = opened.segment.decode("latin-1")
    head_text, area, area_at, rest = _parts(text, layout.segment_start, problems)
    fields = read_fields(head_text + rest, layout.segment_start, problems)
    items = read_items(area, area_at, problems) if opened.readable else []
    qn = fields.qn or next((item.value for item in items if item.name == "QN"), "")
    fields = replace(fields, qn=qn)
    data_time = _data_time(items, problems)
    edition = edition_of(fields, text, data_time or parse_time(qn), problems)
    report_head(fields, edition, layout.segment_start, problems)
    interval = INTERVALS.get(fields.cn)
    readings = read_readings(items, problems)
    _report_times(fields, interval, data_time, readings, area_at, problems)

    named = fields.cn or fields.mn
    accepted = opened.crc.kind in accepted_crc
    refused = any(problem.severity is Severity.REFUSAL for problem in problems)
    return Frame(
        ok=accepted and not refused, edition=edition if named else None,
        qn=qn, st=fields.st, cn=fields.cn, pw=fields.pw, mn=fields.mn,
        flag=fields.flag, pnum=fields.pnum, pno=fields.pno, resent=fields.resent,
        data_time=data_time, interval=interval, fields=tuple((item.name, item.value) for item in items),
        readings=readings, crc=opened.crc, problems=tuple(sorted(problems, key=lambda p: p.offset)),
        raw=packet, payload_hash=fnv1a(area.encode("latin-1")),
    )  # fmt: skip


def key_time(frame: Frame) -> int:
    """The time a frame is filed under: DataTime, else the time of QN, else -1; µs since 1970 UTC."""
    time = frame.data_time or parse_time(frame.qn)
    return -1 if time is None else to_microseconds(time)


def _parts(text: str, offset: int, problems: list[Problem]) -> tuple[str, str, int, str]:
    """Split a segment into head, data area, the area's offset in the frame, and what follows the area."""
    opens = AREA_OPENS.search(text)
    if opens is None:
        problems.append(Problem("area_absent", offset, "the segment has no CP=&&", Severity.DOUBT))
        return text, "", offset + len(text), ""
    if opens.group() != "CP=&&":
        problems.append(Problem("blanks", offset + opens.start(), "blanks in CP=&&"))
    head = text[: opens.start()]
    if head and head[-1] not in ";,":
        problems.append(Problem("separator_absent", offset + len(head), "no ; before CP"))
    closes = text.rfind("&&", opens.end())
    if closes < 0:
        at = offset + len(text)
        problems.append(Problem("area_not_closed", at, "the data area has no closing &&", Severity.DOUBT))
        return head, text[opens.end() :], offset + opens.end(), ""
    area, rest = text[opens.end() : closes], text[closes + 2 :]
    if len(area) > AREA_LIMIT:
        sentence = f"the data area has {len(area)} bytes, the standard allows {AREA_LIMIT}"
        problems.append(Problem("area_over_950", offset + opens.end(), sentence))
    if "=" in rest:
        problems.append(Problem("field_after_area", offset + closes + 2, "fields stand after the data area"))
        head += "" if head.endswith((";", ",")) else ";"
    return head, area, offset + opens.end(), rest


def _report_crc(
    opened: OpenedSegment, offset: int, accepted: frozenset[CrcKind], problems: list[Problem]
) -> None:
    crc = opened.crc
    if crc.kind is CrcKind.HJ212:
        if len(crc.given) < 4:
            problems.append(Problem("crc_short", offset, f"CRC {crc.given} has lost its leading zeros"))
        elif crc.given != crc.given.upper():
            problems.append(Problem("crc_lower_case", offset, f"CRC {crc.given} is in lower case"))
        return
    severity = Severity.DOUBT if crc.kind in accepted else Severity.REFUSAL
    if crc.kind is CrcKind.ABSENT:
        problems.append(Problem("crc_absent", offset, f"no CRC; {crc.computed} would be right", severity))
    elif crc.kind is CrcKind.WRONG:
        text = f"CRC is {crc.given!r}, {crc.computed} would be right"
        problems.append(Problem("crc_wrong", offset, text, severity))
    else:
        text = f"CRC {crc.given} is {_CRC_NAMES[crc.kind]}, HJ 212 is {crc.computed}"
        problems.append(Problem(f"crc_{crc.kind.name.lower()}", offset, text, severity))


def _report_cipher(opened: OpenedSegment, offset: int, key: bytes | None, problems: list[Problem]) -> None:
    if not opened.ciphered:
        return
    if opened.printed:
        problems.append(
            Problem("cipher_printed", offset, "ciphertext is printed as {0x..}, not sent as bytes")
        )
    if not opened.readable:
        text = "the data area is ciphered and " + (
            "no key was given" if key is None else "the key does not fit"
        )
        problems.append(Problem("ciphered", offset, text, Severity.REFUSAL))


def _data_time(items: list[Item], problems: list[Problem]) -> datetime | None:
    found = [item for item in items if item.name == "DataTime"]
    if not found:
        return None
    first = found[0]
    if any(item.value != first.value for item in found[1:]):
        text = "DataTime stands twice with different values, the first counts"
        problems.append(Problem("repeated_key", found[1].offset, text, Severity.DOUBT))
    digits = first.value
    time = parse_time(digits)
    if time is None:
        text = f"DataTime={digits[:30]!r} is no time"
        problems.append(Problem("data_time_not_a_time", first.offset, text, Severity.DOUBT))
        return None
    if len(digits) != 14:
        problems.append(
            Problem("data_time_not_14_digits", first.offset, f"DataTime={digits} has milliseconds")
        )
        time = time.replace(microsecond=0)
    return time


def _report_times(
    fields: HeadFields,
    interval: Interval | None,
    data_time: datetime | None,
    readings: tuple[ReadingValue, ...],
    offset: int,
    problems: list[Problem],
) -> None:
    sent = parse_time(fields.qn)
    if readings and not fields.mn:
        problems.append(
            Problem("no_sender", offset, "readings without MN belong to nobody", Severity.REFUSAL)
        )
    if data_time is None:
        if readings and interval is Interval.REALTIME and sent is not None:
            text = "readings without DataTime; the time of QN stands for it"
            problems.append(Problem("data_time_absent", offset, text, Severity.DOUBT))
        elif readings and interval is not None:
            text = "readings without a time cannot be placed"
            problems.append(Problem("no_time", offset, text, Severity.REFUSAL))
        return
    if not _FIRST_YEAR <= in_shanghai(data_time).year <= _LAST_YEAR:
        text = f"DataTime {in_shanghai(data_time):%Y-%m-%d} is out of this age"
        problems.append(Problem("data_time_implausible", offset, text, Severity.DOUBT))
    if sent is not None and data_time - sent > _CLOCK_TOLERANCE:
        text = "DataTime lies more than an hour after QN"
        problems.append(Problem("data_time_after_qn", offset, text, Severity.DOUBT))
    local = in_shanghai(data_time)
    aligned = {
        Interval.MINUTE: local.second == 0,
        Interval.HOUR: local.minute == local.second == 0,
        Interval.DAY: local.hour == local.minute == local.second == 0,
    }
    if interval is not None and not aligned.get(interval, True):
        text = f"DataTime {local:%H:%M:%S} does not begin a {interval}"
        problems.append(Problem("data_time_not_aligned", offset, text, Severity.DOUBT))
