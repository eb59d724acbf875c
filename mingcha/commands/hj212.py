"""`mingcha hj212 decode|encode`: frames to words and back, without a database or a broker."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from io import BufferedReader
from pathlib import Path
from typing import Annotated, cast

import typer
from rich.markup import escape

from domain.clock import in_shanghai
from ingest.hj212 import CrcKind, Frame, Garbage, Packet, Problem, Severity, Splitter, decode, encode
from ingest.hj212.encode import EncodeError
from ingest.hj212.report import draft_of, frame_report
from mingcha.output import TROUBLE, console, errors, print_json, print_table

app = typer.Typer(no_args_is_help=True)

_CHUNK_BYTES = 1 << 16
_KEY_BYTES = 16
_ACCEPTABLE = {kind.name.lower(): kind for kind in (CrcKind.MODBUS, CrcKind.MODBUS_SWAPPED)}
_TEXT_KEYS = ("raw", "framed")
Source = Annotated[str, typer.Argument(metavar="FILE|-", help="a file, or - for standard input")]
Key = Annotated[str, typer.Option(help="SM4 key of the device, 32 hex digits (HJ 212-2025)")]


@app.callback()
def hj212() -> None:
    """Decode and encode HJ 212 frames of the 2005, 2017 and 2025 editions."""


@app.command("decode")
def decode_command(
    source: Source,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per frame")] = False,
    accept_crc: Annotated[
        str, typer.Option(help="CRCs to accept beside HJ 212: modbus, modbus_swapped; comma-separated")
    ] = "",
    key: Key = "",
) -> None:
    """Say what is in HJ 212 frames and what is wrong with them.

    The input is a byte stream as it came from a socket, or a text file with one frame a line (with or
    without CR LF), or JSON lines with the frame in "raw" (text) or "raw_hex". Bytes that are no frame get
    a line too, with ok false and the reason as a problem.

    --json prints one object a line: ok, edition, qn, st, cn, pw, mn, flag, pnum, pno, resent,
    data_time (+08:00), interval, fields [[name, value]], readings [{code, factor, avg, min, max,
    converted_avg, converted_min, converted_max, total, flag, extra}], crc {given, computed, kind: hj212 |
    modbus | modbus_swapped | wrong | absent}, problems [{code, offset, text, severity: note | doubt |
    refusal}], offset and length in bytes of the input. A problem's offset counts from the ## of the frame.
    ok means the readings may be used: an accepted CRC and no problem of severity refusal.

    Exit code: 0 every frame ok, 1 a frame or bytes refused, 2 wrong use.
    """
    accepted = _accepted(accept_crc)
    key_bytes = _key(key)
    frames: list[tuple[Frame, int]] = []
    refused = False
    with _opened(source) as stream:
        for piece in _pieces(stream):
            frame = _frame(piece, accepted, key_bytes)
            refused = refused or not frame.ok
            if as_json:
                print_json(frame_report(frame, piece.offset))
            else:
                frames.append((frame, piece.offset))
    if not as_json:
        _print_frames(frames)
    raise typer.Exit(TROUBLE if refused else 0)


@app.command("encode")
def encode_command(
    source: Source,
    as_json: Annotated[
        bool, typer.Option("--json", help='print {"raw": frame} lines instead of frames')
    ] = False,
    key: Key = "",
) -> None:
    """Write HJ 212 frames from JSON lines.

    Keys of a line: cn, mn (required), edition ("2005", "2017", "2025"), st, pw, qn, data_time (ISO 8601 or
    digits), flag (bit 0 asks for an answer), resent, fields [[name, value]]. What decode --json printed can
    be read back. A data area over 950 bytes goes out as several packets.

    Exit code: 0 all written, 1 a line could not be written (the others are), 2 wrong use.
    """
    key_bytes = _key(key)
    refused = False
    with _opened(source) as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip():
                continue
            try:
                report = json.loads(line)
                if not isinstance(report, dict):
                    raise EncodeError("give a JSON object")
                packets = encode(draft_of(report), key_bytes)
            except (EncodeError, UnicodeDecodeError, json.JSONDecodeError) as error:
                errors.print(
                    f"[red]mingcha:[/red] line {number}: {escape(str(error))}",
                    highlight=False,
                    soft_wrap=True,
                )
                refused = True
                continue
            for packet in packets:
                _write(packet, as_json)
    raise typer.Exit(TROUBLE if refused else 0)


def _write(packet: bytes, as_json: bool) -> None:
    if not as_json:
        sys.stdout.buffer.write(packet)
        return
    try:
        print_json({"raw": packet.decode()})
    except UnicodeDecodeError:
        print_json({"raw_hex": packet.hex()})


def _accepted(text: str) -> frozenset[CrcKind]:
    accepted = {CrcKind.HJ212}
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name not in _ACCEPTABLE:
            raise typer.BadParameter(
                f"{name!r} is not one of {', '.join(_ACCEPTABLE)}", param_hint="--accept-crc"
            )
        accepted.add(_ACCEPTABLE[name])
    return frozenset(accepted)


def _key(text: str) -> bytes | None:
    if not text:
        return None
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise typer.BadParameter("give 32 hex digits", param_hint="--key")
    return key


@contextmanager
def _opened(source: str) -> Iterator[BufferedReader]:
    if source == "-":
        yield cast(BufferedReader, sys.stdin.buffer)
        return
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(Path(source).open("rb"))
        except OSError as error:
            raise typer.BadParameter(f"{source}: {error.strerror}", param_hint="FILE") from error
        yield stream


def _pieces(stream: BufferedReader) -> Iterator[Packet | Garbage]:
    """The frames of a byte stream or of JSON lines, and what lies between; offsets in bytes of the input."""
    if stream.peek(64).lstrip().startswith(b"{"):
        offset = 0
        for line in stream:
            if line.strip():
                yield from _pieces_of_line(line, offset)
            offset += len(line)
        return
    splitter = Splitter()
    while chunk := stream.read1(_CHUNK_BYTES):
        yield from splitter.feed(chunk)
    yield from splitter.finish()


def _pieces_of_line(line: bytes, offset: int) -> Iterator[Packet | Garbage]:
    """The frames of one JSON line; all of them stand at the offset of the line."""
    try:
        entry = json.loads(line)
        if "raw_hex" in entry:
            raw = bytes.fromhex(entry["raw_hex"])
        else:
            raw = next(entry[name] for name in _TEXT_KEYS if name in entry).encode(errors="replace")
    except (ValueError, TypeError, AttributeError, StopIteration):
        yield Garbage(line.rstrip(b"\r\n"), offset, 'a line that is no JSON object with the frame in "raw"')
        return
    splitter = Splitter()
    pieces = splitter.feed(raw) + splitter.finish()
    if not any(isinstance(piece, Packet) for piece in pieces):
        reason = pieces[0].reason if pieces and isinstance(pieces[0], Garbage) else "no bytes"
        pieces = [Garbage(raw, 0, reason)]
    for piece in pieces:
        yield replace(piece, offset=offset)


def _frame(piece: Packet | Garbage, accepted: frozenset[CrcKind], key: bytes | None) -> Frame:
    frame = decode(piece.raw, accepted_crc=accepted, key=key)
    if isinstance(piece, Packet):
        return frame
    why = Problem("not_a_frame", 0, piece.reason, Severity.REFUSAL)
    begun = piece.raw.startswith(b"##")
    return replace(frame, ok=False, problems=(why, *frame.problems) if begun else (why,))


def _print_frames(frames: list[tuple[Frame, int]]) -> None:
    rows = []
    for frame, offset in frames:
        time = None if frame.data_time is None else f"{in_shanghai(frame.data_time):%Y-%m-%d %H:%M:%S}"
        verdict = "ok" if frame.ok else "refused"
        head = (frame.edition, escape(frame.mn), escape(frame.cn), time)
        rows.append((offset, verdict, *head, len(frame.readings), len(frame.problems)))
    print_table(
        f"{len(frames)} frames",
        ("byte", "verdict", "edition", "MN", "CN", "DataTime", "readings", "problems"),
        rows,
    )
    if len(frames) == 1:
        _print_readings(frames[0][0])
    _print_problems([problem for frame, _ in frames for problem in frame.problems])
    refused = sum(not frame.ok for frame, _ in frames)
    console.print(f"{len(frames) - refused} ok, {refused} refused")


def _print_problems(problems: list[Problem]) -> None:
    """One line per kind of problem, with the first sentence as the example."""
    count = Counter(problem.code for problem in problems)
    first = {problem.code: problem for problem in reversed(problems)}
    rows = [
        (n, first[code].severity.value, code, escape(first[code].text)) for code, n in count.most_common()
    ]
    if rows:
        print_table("problems", ("times", "severity", "code", "for example"), rows)


def _print_readings(frame: Frame) -> None:
    print_table(
        "readings",
        ("code", "factor", "avg", "min", "max", "converted", "total", "flag"),
        [
            (escape(r.code), r.factor, r.avg, r.min, r.max, r.converted_avg, r.total, escape(r.flag))
            for r in frame.readings
        ],
    )
