"""What a simulated sender did and was told: one JSON line an event, appended, read by the ledger check.

A frame counts as acknowledged when an `answered` line names its hash; then the database must hold it once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import TextIO

from domain.errors import MingchaError


class JournalError(MingchaError):
    """A journal cannot be read; names the file and the line."""


class Event(StrEnum):
    SENT = "sent"  # an attempt went out, whole or damaged on purpose
    ANSWERED = "answered"  # the receiver took responsibility
    REFUSED = "refused"  # the receiver said why it will not take it
    GAVE_UP = "gave_up"  # no answer after all attempts


@dataclass(frozen=True)
class Entry:
    """One event of one frame or line. Times µs since 1970 UTC."""

    event: Event
    stream: str  # cems | power | passages
    sha256: str  # of the frame as made (`##` to line end), or of the line without line end
    time_us: int
    subject: str = ""  # MN, meter id or gate id; '' when the line does not say
    attempt: int = 1
    qn: str = ""
    cn: str = ""
    data_time_us: int | None = None
    part: int = 0  # PNO, 0 when not split
    answer: str = ""  # CN of the answer, or the sentence of the refusal
    damaged: bool = False  # this attempt carried a wrong CRC


def now_us() -> int:
    return time.time_ns() // 1000


def fingerprint(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


class Journal:
    """Appends to a file; every line reaches the operating system at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None

    def __enter__(self) -> Journal:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("a", encoding="utf-8", buffering=1)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, entry: Entry) -> None:
        """Raises JournalError when the journal is not open."""
        if self._file is None:
            raise JournalError(f"{self.path} is not open; use the journal as a context")
        fields = {name: value for name, value in asdict(entry).items() if value not in ("", None, False)}
        self._file.write(json.dumps(fields, ensure_ascii=False) + "\n")


def read_journal(path: Path) -> Iterator[Entry]:
    """Every event, in order. A torn last line (the sender was killed) is left out.

    Raises JournalError naming the line that cannot be read.
    """
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith("\n"):
                return
            try:
                fields = json.loads(line)
                yield Entry(**{**fields, "event": Event(fields["event"])})
            except (ValueError, TypeError, KeyError) as error:
                raise JournalError(f"{path}, line {number}: {error}") from error


def answered(entries: Iterator[Entry]) -> dict[str, Entry]:
    """The last `answered` event of each frame or line, by its hash."""
    return {entry.sha256: entry for entry in entries if entry.event is Event.ANSWERED}
