"""Cuts a byte stream into packets: by the length field, and by what can be proved when the field lies.

Every decision is made at the first byte of the stream that settles it, so the cuts do not depend on how TCP
split the stream (QUIET aside). In that order:

1. a closing `&&`, CRC, line end before the stated length counts when its CRC is right over what follows the
   `##` at the front (wrong length) or the nearest `##` before it (a cut frame in front of a whole one);
2. the stated length counts when a CRC follows there, whatever the segment holds: ciphertext may contain
   `##`, `&&` and line ends; so does a stated length that counts CRC and CRLF in;
3. otherwise the first closing with CRC and line end, unless another `##` and digits come first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto

from ingest.hj212.crc import crc_hj212
from ingest.hj212.layout import HEADER, LENGTH_FIELD

#: The longest segment met in the field has 1623 bytes; a stated length above this is not believed.
MAX_LENGTH = 4096

_CLOSING = rb"(?<!CP=)&&([0-9A-Fa-f]{1,4})(?:(?:\*\*)?(?:[\r\n]|(?=##))%b)"
_AT_END = rb"|(?<=&&[0-9A-Fa-f]{4})\Z"
_CLOSED = re.compile(_CLOSING % b"")
_CUT_OR_CLOSED = re.compile(rb"(##\d{2})|" + _CLOSING % b"")
_CUT_OR_CLOSED_AT_END = re.compile(rb"(##\d{2})|" + _CLOSING % _AT_END)
_AFTER_LENGTH = re.compile(rb"[0-9A-Fa-f]{4}|[^\r\n#&*]{0,4}(?=[\r\n]|\*\*|##)")
_AFTER_LENGTH_AT_END = re.compile(rb"[0-9A-Fa-f]{4}|[^\r\n#&*]{0,4}(?=[\r\n]|\*\*|##|\Z)")
_COUNTED_TAIL = re.compile(rb"&&[0-9A-Fa-f]{4}\r\n")
_INNER_START = re.compile(rb"##\d{2,4}")
_TAIL = re.compile(rb"(?:\*\*)?\r?\n?")
_LINE_ENDS = b"\r\n"
#: CRC, `**`, CR, LF: how far behind the stated length a decision can need to look.
_LOOK_AHEAD = 8
#: Early closings put to the proof per frame; a sender of nothing but closings must not cost more than this.
_PROOFS = 8


class _Flow(Enum):
    OPEN = auto()  # more bytes may come
    QUIET = auto()  # they may, but have not for a while
    OVER = auto()


class _Verdict(Enum):
    WAIT = auto()
    NO_FRAME = auto()


@dataclass(frozen=True)
class _Cut:
    """The first `length` bytes go out, as a packet or as a cut frame that another one follows."""

    length: int
    whole: bool


@dataclass(frozen=True)
class Packet:
    """One packet as received, `##` to the end of its tail; offset counts bytes of the stream."""

    raw: bytes
    offset: int


@dataclass(frozen=True)
class Garbage:
    """Bytes that are no packet, with the sentence that says why."""

    raw: bytes
    offset: int
    reason: str


Piece = Packet | Garbage


class Splitter:
    """One per connection. Holds at most `max_length` bytes and a little between two feeds.

    `feed` gives what is complete. `settle`, to be called when the line has been quiet for a moment, also
    gives a packet that lacks only its line end or whose length field promised more. `finish` empties the
    buffer. Line ends between packets are dropped; every other byte comes out in a Packet or in a Garbage.
    """

    def __init__(self, max_length: int = MAX_LENGTH) -> None:
        self._max_length = max_length
        self._limit = max_length + 32  # header, CRC and tail of the longest frame
        self._buffer = bytearray()
        self._offset = 0  # stream offset of the buffer's first byte
        self._refused = 0  # bytes at the front known to begin no packet
        self._proofs = 0  # early closings tried for the frame at the front
        self._proved_to = 0  # and where the last of them ended

    @property
    def pending(self) -> int:
        """Bytes held back."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> list[Piece]:
        """Take the next bytes of the stream, give the pieces they complete."""
        pieces: list[Piece] = []
        step = 16 * self._max_length  # a huge chunk must not make a huge buffer
        for start in range(0, len(chunk), step):
            self._buffer += chunk[start : start + step]
            pieces += self._take(_Flow.OPEN)
        return pieces

    def settle(self) -> list[Piece]:
        """The line is quiet: give the packets that can be told, keep an unfinished rest."""
        return self._take(_Flow.QUIET)

    def finish(self) -> list[Piece]:
        """The stream is over: give everything that is left."""
        return self._take(_Flow.OVER)

    def _take(self, flow: _Flow) -> list[Piece]:
        pieces: list[Piece] = []
        while (piece := self._next(flow)) is not None:
            pieces.append(piece)
        return pieces

    def _next(self, flow: _Flow) -> Piece | None:
        self._drop_line_ends()
        start = self._buffer.find(HEADER, self._refused)
        if start != 0:
            return self._garbage_before(start, flow)
        full = len(self._buffer) >= self._limit
        verdict = self._judge(bytes(self._buffer[: self._limit]), _Flow.OPEN if full else flow)
        if isinstance(verdict, _Cut):
            raw = self._cut(verdict.length)
            offset = self._offset - verdict.length
            if verdict.whole:
                return Packet(raw, offset)
            return Garbage(raw, offset, "a frame that breaks off before another begins")
        if verdict is _Verdict.WAIT and not full and flow is not _Flow.OVER:
            return None
        self._refused = 1
        return self._garbage_before(self._buffer.find(HEADER, 1), flow)

    def _drop_line_ends(self) -> None:
        if self._refused == 0 and self._buffer[:1].strip(_LINE_ENDS) == b"":
            rest = self._buffer.lstrip(_LINE_ENDS)
            self._offset += len(self._buffer) - len(rest)
            self._buffer = rest

    def _garbage_before(self, start: int, flow: _Flow) -> Garbage | None:
        """The bytes before the next `##`; without one a full measure, at the end all."""
        over = flow is _Flow.OVER
        known = start if start >= 0 else len(self._buffer) - (not over and self._buffer.endswith(b"#"))
        if start < 0 and not over and known < self._max_length:
            self._refused = max(self._refused, known)
            return None
        if known == 0:
            return None
        starts = self._buffer.startswith(HEADER)
        reason = "a frame without an end" if starts else "bytes outside any frame"
        length = min(known, self._max_length)
        return Garbage(self._cut(length), self._offset - length, reason)

    def _cut(self, length: int) -> bytes:
        raw = bytes(self._buffer[:length])
        del self._buffer[:length]
        self._offset += length
        self._refused = self._proofs = self._proved_to = 0
        return raw

    def _judge(self, window: bytes, flow: _Flow) -> _Cut | _Verdict:
        """What the `##` at the front of the window begins."""
        field = LENGTH_FIELD.match(window)
        assert field is not None
        digits, start = field.group(1), field.end()
        if start == len(window) and flow is _Flow.OPEN:
            return _Verdict.WAIT
        if len(digits) < 2 and not window[start : start + 1].isalpha():
            return _Verdict.NO_FRAME
        stated = start + int(digits) if len(digits) >= 2 else start
        if not start < stated <= start + self._max_length:
            return _by_closing(window, start, flow)
        early = self._early_closing(window, start, stated, flow)
        if early is not None:
            return early
        if len(window) >= stated and _COUNTED_TAIL.fullmatch(window, stated - 8, stated):
            return _Cut(stated, whole=True)
        pattern = _AFTER_LENGTH_AT_END if flow is _Flow.OVER else _AFTER_LENGTH
        crc = pattern.match(window, stated) if stated <= len(window) else None
        if crc is not None and _is_closed(window, start, stated, crc):
            return _with_tail(window, crc.end(), flow)
        if flow is _Flow.OPEN and len(window) < stated + _LOOK_AHEAD:
            return _Verdict.WAIT
        return _by_closing(window, start, flow)

    def _early_closing(self, window: bytes, start: int, stated: int, flow: _Flow) -> _Cut | _Verdict | None:
        for closing in _CLOSED.finditer(window, max(start, self._proved_to), stated + _LOOK_AHEAD):
            end = closing.start() + 2
            if end >= stated or self._proofs == _PROOFS:
                return None
            given = int(closing.group(1), 16)
            if crc_hj212(window[start:end]) == given:
                return _with_tail(window, closing.end(1), flow)
            inner = list(_INNER_START.finditer(window, start, end))[-1:]
            if inner and crc_hj212(window[inner[0].end() : end]) == given:
                return _Cut(inner[0].start(), whole=False)
            self._proofs += 1
            self._proved_to = end
        return None


def _is_closed(window: bytes, start: int, stated: int, crc: re.Match[bytes]) -> bool:
    """A segment of the stated length ends here: `&&` before, else four digits right or at a line end."""
    if window.endswith(b"&&", 0, stated):
        return True
    if crc.end() - crc.start() != 4:
        return False
    line_ends = window[crc.end() : crc.end() + 1] in (b"\r", b"\n")
    return line_ends or b"%04X" % crc_hj212(window[start:stated]) == crc.group().upper()


def _by_closing(window: bytes, start: int, flow: _Flow) -> _Cut | _Verdict:
    pattern = _CUT_OR_CLOSED if flow is _Flow.OPEN else _CUT_OR_CLOSED_AT_END
    first = pattern.search(window, start)
    if first is None:
        return _Verdict.WAIT
    if first.group(1):
        return _Cut(first.start(), whole=False)
    return _with_tail(window, first.end(2), flow)


def _with_tail(window: bytes, crc_end: int, flow: _Flow) -> _Cut | _Verdict:
    tail = _TAIL.match(window, crc_end)
    assert tail is not None
    unfinished = b"**\r\n".startswith(window[crc_end:]) or b"\r\n".startswith(window[crc_end:])
    if flow is _Flow.OPEN and unfinished and not tail.group().endswith(b"\n"):
        return _Verdict.WAIT
    return _Cut(tail.end(), whole=True)
