"""Where the parts of one packet lie: length field, segment, CRC, tail. Used by decoder and splitter alike."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ingest.hj212.model import Problem, Severity

HEADER = b"##"
#: Segments longer than this break HJ 212-2017 table 2; they are read all the same.
SEGMENT_LIMIT = 1024
#: CRC and CRLF, which the Tianjin dialect counts into the length field.
COUNTED_TAIL = 6

LENGTH_FIELD = re.compile(rb"##(\d{0,4})")
#: What may stand after a segment, whole: CRC digits, two stars of some devices, line end.
AFTER_SEGMENT = re.compile(rb"([0-9A-Fa-f]{4}|[^\r\n#&*]{0,4})(\*\*)?([\r\n]*)")
_LAST_CLOSING = re.compile(rb"&&([0-9A-Fa-f]{0,4})(\*\*)?[\r\n]*\Z")
_LAST_CRC = re.compile(rb"([0-9A-Fa-f]{4})(\*\*)?[\r\n]+\Z")


@dataclass(frozen=True)
class Layout:
    """Byte positions in a packet, counted from its first byte."""

    segment_start: int
    segment_end: int
    crc_end: int
    problems: tuple[Problem, ...]


def read_layout(packet: bytes) -> Layout:
    """Find the parts of one packet. Total: any bytes have a layout, if only an empty one with problems."""
    problems: list[Problem] = []
    field = LENGTH_FIELD.match(packet)
    if field is None:
        problems.append(Problem("no_header", 0, "the packet does not begin with ##", Severity.REFUSAL))
        start, stated = 0, None
    else:
        start = field.end()
        stated = _stated_length(field.group(1), problems)
    end, after = _segment_end(packet, start, stated)
    if stated is not None and end - start != stated:
        problems.append(_length_problem(packet, start, end, stated))
    if end - start > SEGMENT_LIMIT:
        text = f"the segment has {end - start} bytes, the standard allows {SEGMENT_LIMIT}"
        problems.append(Problem("segment_over_1024", start, text))
    _report_tail(packet, after, problems)
    return Layout(start, end, after.end(1), tuple(problems))


def _stated_length(field: bytes, problems: list[Problem]) -> int | None:
    if len(field) == 4:
        return int(field)
    if not field:
        problems.append(Problem("length_absent", 2, "no length field after ##", Severity.DOUBT))
        return None
    problems.append(Problem("length_digits", 2, f"the length field has {len(field)} digits, not 4"))
    return int(field)


def _segment_end(packet: bytes, start: int, stated: int | None) -> tuple[int, re.Match[bytes]]:
    if stated is not None and start + stated <= len(packet):
        after = AFTER_SEGMENT.fullmatch(packet, start + stated)
        closed = packet.endswith(b"&&", start, start + stated)
        if after is not None and (closed or len(after.group(1)) == 4):
            return start + stated, after
    closing = _LAST_CLOSING.search(packet, start)
    if closing is not None:
        end = closing.start() + 2
    else:
        crc = _LAST_CRC.search(packet, start)
        end = crc.start() if crc else len(packet.rstrip(b"\r\n"))
        end = max(end, start)
    after = AFTER_SEGMENT.match(packet, end)
    assert after is not None  # every group may be empty
    return end, after


def _length_problem(packet: bytes, start: int, end: int, stated: int) -> Problem:
    if stated == end - start + COUNTED_TAIL:
        text = f"the length field counts CRC and line end: {stated} for a segment of {end - start}"
        return Problem("length_counts_tail", 2, text)
    text = f"the length field says {stated}, the segment has {end - start} bytes"
    return Problem("length_wrong", 2, text, Severity.DOUBT)


def _report_tail(packet: bytes, after: re.Match[bytes], problems: list[Problem]) -> None:
    stars, line_end = after.group(2), after.group(3)
    if stars:
        problems.append(Problem("tail_stars", after.start(2), "** stands before the line end"))
    if after.end() < len(packet):
        text = f"{len(packet) - after.end()} bytes after the end of the frame"
        problems.append(Problem("bytes_after_frame", after.end(), text, Severity.DOUBT))
    elif not line_end:
        problems.append(Problem("tail_absent", after.start(3), "no CR LF at the end"))
    elif line_end != b"\r\n":
        problems.append(Problem("tail_not_crlf", after.start(3), f"the line end is {line_end!r}, not CR LF"))
