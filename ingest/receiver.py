"""The door for meters and gates: NDJSON over HTTP, one line a value or a passage, with an answer per line.

`POST /v1/power` and `POST /v1/passages`, `Authorization: Bearer <token of the integrator>`. The answer is 200
only after the broker has everything: `{"accepted": n, "refused": [{"line", "byte", "error"}, …]}`. On any
other status the whole request may be sent again; what is then there twice is dropped by the writer.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from domain.errors import MingchaError
from ingest import metrics
from ingest.directory import Directory
from ingest.errors import BrokerError, LineError, Refused
from ingest.health import health_routes
from ingest.lines import PassageLine, PowerLine, parse_passage, parse_power
from ingest.producer import PackingProducer, all_durable
from ingest.records import Item, Kind
from ingest.topics import Topic

log = logging.getLogger(__name__)

#: Name of the integrator that owns a token, None for a token nobody owns. Runs in a worker thread.
IntegratorOf = Callable[[str], str | None]


@dataclass(frozen=True)
class ReceiverLimits:
    max_body_bytes: int = 4 * 1024 * 1024
    max_line_bytes: int = 4096
    max_lines: int = 50_000
    max_requests: int = 64  # at work at once
    body_seconds: float = 30.0  # for a request to arrive
    token_seconds: float = 30.0  # how long a token is believed without asking again
    max_tokens: int = 10_000


@dataclass(frozen=True)
class Stream:
    """One kind of line the receiver takes."""

    name: str
    topic: Topic
    kind: Kind
    parse: Callable[[bytes], PowerLine | PassageLine]
    sites: Directory[str]  # site id by meter or gate id


class _Reply(Exception):
    """Ends a request with a status and a sentence."""

    def __init__(self, status: int, sentence: str, retry_after_seconds: int = 0) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.retry_after_seconds = retry_after_seconds


@dataclass
class _Verdicts:
    accepted: int = 0
    refused: list[dict[str, object]] = field(default_factory=list)
    durable: list[asyncio.Future[None]] = field(default_factory=list)


class Receiver:
    """Builds the Starlette app; owns nothing but the cache of tokens."""

    def __init__(
        self,
        producer: PackingProducer,
        meters: Directory[str],
        gates: Directory[str],
        integrator_of: IntegratorOf,
        limits: ReceiverLimits | None = None,
    ) -> None:
        self._producer = producer
        self._integrator_of = integrator_of
        self._limits = limits or ReceiverLimits()
        self._tokens: dict[bytes, tuple[float, str | None]] = {}
        self._at_work = 0
        self._streams = (
            Stream("power", Topic.POWER, Kind.POWER_LINE, parse_power, meters),
            Stream("passages", Topic.GATE, Kind.PASSAGE_LINE, parse_passage, gates),
        )

    def app(self) -> Starlette:
        routes = [
            Route(f"/v1/{stream.name}", self._endpoint(stream), methods=["POST"]) for stream in self._streams
        ]
        return Starlette(routes=[*routes, *health_routes(self._missing)])

    def _missing(self) -> str | None:
        return None if self._producer.reachable else "the broker does not acknowledge"

    def _endpoint(self, stream: Stream) -> Callable[[Request], object]:
        async def post(request: Request) -> JSONResponse:
            if self._at_work >= self._limits.max_requests:
                return self._refusal(stream, _Reply(429, "too many requests at once; try again", 1))
            self._at_work += 1
            try:
                return await self._take(stream, request)
            except _Reply as reply:
                return self._refusal(stream, reply)
            finally:
                self._at_work -= 1

        return post

    def _refusal(self, stream: Stream, reply: _Reply) -> JSONResponse:
        metrics.REQUESTS.labels(stream.name, str(reply.status)).inc()
        headers = {"Retry-After": str(reply.retry_after_seconds)} if reply.retry_after_seconds else {}
        if reply.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse({"error": reply.sentence}, reply.status, headers)

    async def _take(self, stream: Stream, request: Request) -> JSONResponse:
        await self._require_integrator(request)
        body = await self._body(request)
        peer = request.client.host if request.client else ""
        verdicts = _Verdicts()
        try:
            await self._judge_lines(stream, body, peer, verdicts)
            await all_durable(verdicts.durable)
        except Refused as error:
            raise _Reply(429, f"{error}; send all lines again", 2) from error
        except BrokerError as error:
            log.warning("request_not_durable", extra={"stream": stream.name, "error": str(error)})
            raise _Reply(503, "the lines could not be made durable; send all of them again", 5) from error
        metrics.REQUESTS.labels(stream.name, "200").inc()
        metrics.LINES.labels(stream.name, "accepted").inc(verdicts.accepted)
        metrics.LINES.labels(stream.name, "refused").inc(len(verdicts.refused))
        return JSONResponse({"accepted": verdicts.accepted, "refused": verdicts.refused})

    async def _require_integrator(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _Reply(401, "send the integrator's token as 'Authorization: Bearer <token>'")
        token = token.strip()
        digest = hashlib.sha256(token.encode()).digest()  # the cache keeps no token in clear
        asked_at, integrator = self._tokens.get(digest, (float("-inf"), None))
        if time.monotonic() - asked_at > self._limits.token_seconds:
            try:
                integrator = await asyncio.to_thread(self._integrator_of, token)
            except MingchaError as error:
                log.warning("token_not_checked", extra={"error": str(error)})
                raise _Reply(503, "the token cannot be checked now; try again", 5) from error
            if len(self._tokens) >= self._limits.max_tokens:
                self._tokens.clear()
            self._tokens[digest] = (time.monotonic(), integrator)
        if integrator is None:
            raise _Reply(401, "no active integrator has this token")

    async def _body(self, request: Request) -> bytes:
        limit = self._limits.max_body_bytes
        too_large = _Reply(413, f"the request is larger than {limit} bytes; send fewer lines at once")
        stated = request.headers.get("content-length", "")
        if stated.isdigit() and int(stated) > limit:
            raise too_large
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > limit:
                        raise too_large
                    chunks.append(chunk)
        except TimeoutError:
            raise _Reply(
                408, f"the request did not arrive within {self._limits.body_seconds:.0f} s"
            ) from None
        body = b"".join(chunks)
        if body.count(b"\n") > self._limits.max_lines:
            raise _Reply(413, f"more than {self._limits.max_lines} lines; send fewer lines at once")
        return body

    async def _judge_lines(self, stream: Stream, body: bytes, peer: str, verdicts: _Verdicts) -> None:
        received_us = time.time_ns() // 1000
        for number, offset, text in _lines(body):
            if number % 500 == 0:
                await asyncio.sleep(0)  # a large request must not keep the others waiting
            item = Item(text, received_us, peer)
            try:
                if len(text) > self._limits.max_line_bytes:
                    raise LineError(
                        "", f"the line has {len(text)} bytes, {self._limits.max_line_bytes} is the most"
                    )
                column, subject = _subject(stream.parse(text))
                site_id = stream.sites.get(subject) or await stream.sites.find(subject)
            except LineError as error:
                self._refuse(stream, item, number, offset, "line", "", str(error), verdicts)
                continue
            if site_id is None:
                sentence = f"{column}: {subject!r} is not in the registry; register it first"
                self._refuse(stream, item, number, offset, "unknown_subject", subject, sentence, verdicts)
                continue
            verdicts.durable.append(self._producer.submit(stream.topic, stream.kind, site_id, item))
            verdicts.accepted += 1

    def _refuse(
        self,
        stream: Stream,
        item: Item,
        number: int,
        offset: int,
        reason: str,
        subject: str,
        sentence: str,
        verdicts: _Verdicts,
    ) -> None:
        verdicts.refused.append({"line": number, "byte": offset, "error": sentence})
        verdicts.durable.append(
            self._producer.refuse(
                "receiver", reason, sentence, topic=stream.topic, subject=subject, item=item
            )
        )


def _subject(line: PowerLine | PassageLine) -> tuple[str, str]:
    """Column and id of the meter or gate a line is about."""
    return ("meter_id", line.meter_id) if isinstance(line, PowerLine) else ("gate_id", line.gate_id)


def _lines(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Number (from 1), offset and text of every line that is not blank."""
    offset = 0
    for number, raw in enumerate(body.split(b"\n"), 1):
        text = raw.strip()
        if text:
            yield number, offset, text
        offset += len(raw) + 1
