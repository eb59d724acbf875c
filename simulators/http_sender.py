"""A collector of meters or gates: posts NDJSON to the receiver until it is taken, and journals each line."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType
from typing import Literal

from simulators.journal import Entry, Event, Journal, fingerprint, now_us

StreamName = Literal["power", "passages"]
_SUBJECT_COLUMN = {"power": "meter_id", "passages": "gate_id"}


@dataclass(frozen=True)
class Posted:
    """What the receiver made of one batch. `refused` holds (line from 1, sentence)."""

    accepted: int
    refused: tuple[tuple[int, str], ...]
    attempts: int


class HttpSender:
    """One integrator's connection, used as an async context; one request at a time."""

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        journal: Journal,
        random: Random,
        *,
        attempts: int = 10,
        timeout_seconds: float = 30.0,
        longest_pause_seconds: float = 5.0,
    ) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=timeout_seconds)
        self._token = token
        self._journal = journal
        self._random = random
        self._attempts = attempts
        self._longest_pause_seconds = longest_pause_seconds
        self._busy = asyncio.Lock()

    async def __aenter__(self) -> HttpSender:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    async def send(self, stream: StreamName, lines: Sequence[bytes]) -> Posted | None:
        """Post lines (JSON objects without line ends). None: given up after all attempts or refused whole."""
        entries = [_entry(stream, line) for line in lines]
        body = b"\n".join(lines) + b"\n"
        pause = 0.1
        async with self._busy:
            for attempt in range(1, self._attempts + 1):
                self._write(entries, Event.SENT, attempt)
                status, answer = await asyncio.to_thread(self._post, stream, body)
                if status == 200:
                    return self._taken(entries, answer, attempt)
                if status in {400, 401, 413}:
                    self._write(entries, Event.REFUSED, attempt, str(answer.get("error", status)))
                    return None
                await asyncio.sleep(pause * self._random.uniform(0.5, 1.0))
                pause = min(2 * pause, self._longest_pause_seconds)
        self._write(entries, Event.GAVE_UP, self._attempts)
        return None

    def _taken(self, entries: list[Entry], answer: dict[str, object], attempt: int) -> Posted:
        refused: dict[int, str] = {}
        listed = answer.get("refused")
        for line in listed if isinstance(listed, list) else []:
            refused[int(line["line"])] = str(line["error"])
        for number, entry in enumerate(entries, 1):
            if number in refused:
                self._write([entry], Event.REFUSED, attempt, refused[number])
            else:
                self._write([entry], Event.ANSWERED, attempt)
        return Posted(len(entries) - len(refused), tuple(refused.items()), attempt)

    def _post(self, stream: str, body: bytes) -> tuple[int, dict[str, object]]:
        """Status and answer; status 0 when nobody answered."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/x-ndjson"}
        try:
            self._connection.request("POST", f"/v1/{stream}", body, headers)
            response = self._connection.getresponse()
            answer: dict[str, object] = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError):
            self._connection.close()
            return 0, {}
        return response.status, answer

    def _write(self, entries: Sequence[Entry], event: Event, attempt: int, answer: str = "") -> None:
        for entry in entries:
            self._journal.write(replace(entry, event=event, attempt=attempt, answer=answer, time_us=now_us()))


def _entry(stream: StreamName, line: bytes) -> Entry:
    try:
        subject = str(json.loads(line)[_SUBJECT_COLUMN[stream]])
    except (ValueError, KeyError, TypeError):
        subject = ""  # a line made wrong on purpose
    return Entry(Event.SENT, stream, fingerprint(line), time_us=0, subject=subject)
