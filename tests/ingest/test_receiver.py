"""What the HTTP receiver accepts, refuses and says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from ingest.directory import Directory, gates_of, meters_of
from ingest.health import serving
from ingest.lines import parse_passage, parse_power
from ingest.producer import PackingProducer
from ingest.receiver import Receiver, ReceiverLimits
from ingest.records import Kind
from ingest.topics import Topic, partition_of
from simulators.http_sender import HttpSender
from simulators.journal import Event, Journal, answered, read_journal
from storage.connection import connect
from storage.registry import add_integrator, integrator_of, save_registry
from tests.ingest.doors import kept, own_broker
from tests.storage.cities import city

pytestmark = pytest.mark.stack

TOKENS = {"good-token": "grid"}
SITES = {"meter-1": "site-1", "gate-1": "site-1"}


@asynccontextmanager
async def receiver(
    kafka: str,
    sites: Mapping[str, str] = SITES,
    limits: ReceiverLimits | None = None,
    *,
    delivery_seconds: float = 10,
) -> AsyncIterator[tuple[int, PackingProducer]]:
    async with (
        PackingProducer(kafka, delivery_seconds=delivery_seconds) as producer,
        Directory(lambda: sites) as directory,
        serving(Receiver(producer, directory, directory, TOKENS.get, limits).app(), "127.0.0.1", 0) as port,
    ):
        yield port, producer


async def request(
    port: int, method: str, path: str, body: bytes = b"", token: str | None = "good-token"
) -> tuple[int, str]:
    """Status and body of one bare request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{authorization}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    top, _, rest = answer.decode().partition("\r\n\r\n")
    return int(top.split()[1]), rest


async def post(
    port: int, path: str, *lines: str, token: str | None = "good-token"
) -> tuple[int, dict[str, object]]:
    status, body = await request(port, "POST", path, "\n".join(lines).encode(), token)
    return status, json.loads(body)


def power(minute: int, **changes: object) -> str:
    return json.dumps({"meter_id": "meter-1", "time": f"2026-11-20T10:{minute:02}:00", "kw": 12.5} | changes)


def test_every_line_gets_its_own_verdict_and_the_bad_ones_are_dead_letters(kafka: str) -> None:
    lines = [
        power(0, note="first"),
        power(1),
        "",
        "not json",
        power(2, meter_id="meter-nobody-knows"),
        power(3, kw=None),
        power(4),
    ]

    async def scenario() -> tuple[int, dict[str, object]]:
        async with receiver(kafka) as (port, _):
            return await post(port, "/v1/power", *lines)

    status, answer = asyncio.run(scenario())

    offset = [0]
    for line in lines:
        offset.append(offset[-1] + len(line.encode()) + 1)
    assert status == 200
    assert answer["accepted"] == 2
    refused = answer["refused"]
    assert isinstance(refused, list)
    assert [(r["line"], r["byte"]) for r in refused] == [(n, offset[n - 1]) for n in (1, 4, 5, 6)]
    assert [r["error"].split(":")[0] for r in refused] == ["note", "Invalid JSON", "meter_id", "kw"]
    stored = kept(kafka, Topic.POWER, "2026-11-20T10:0")
    assert [(k.kind, k.partition, parse_power(k.body).time.minute) for k in stored] == [
        (Kind.POWER_LINE, partition_of("site-1"), minute) for minute in (1, 4)
    ]
    (letter,) = kept(kafka, Topic.DEAD_LETTER, "meter-nobody-knows")
    head, _, body = letter.body.partition(b"\n")
    assert json.loads(head)["reason"] == "unknown_subject"
    assert body.decode() == lines[4]


def test_passages_are_taken_in_chinese_and_in_english(kafka: str) -> None:
    chinese = {
        "gate_id": "gate-1", "time": "2026-11-20 10:00:00", "direction": "进厂", "plate": "鄂D12345",
        "plate_color": "黄色", "stage": "国六", "fuel": "柴油", "cargo": "焦炭", "tonnes": 30.5,
    }  # fmt: skip
    english = {
        "gate_id": "gate-1", "time": "2026-11-20T02:05:00Z", "direction": "out", "plate": "鄂D54321",
        "plate_color": "yellow", "stage": "6", "fuel": "Diesel",
    }  # fmt: skip

    async def scenario() -> tuple[int, dict[str, object]]:
        async with receiver(kafka) as (port, _):
            lines = [json.dumps(chinese, ensure_ascii=False), json.dumps(english)]
            return await post(port, "/v1/passages", *lines)

    assert asyncio.run(scenario()) == (200, {"accepted": 2, "refused": []})
    first, second = (parse_passage(k.body) for k in kept(kafka, Topic.GATE, "gate-1"))
    assert (first.direction, first.stage, first.fuel, first.plate_color) == ("in", "6", "diesel", "yellow")
    assert (second.direction, second.stage, second.fuel, second.plate_color) == (
        "out",
        "6",
        "diesel",
        "yellow",
    )
    assert (second.time - first.time).total_seconds() == 300


@pytest.mark.parametrize("token", [None, "bad-token", ""])
def test_without_a_token_of_an_integrator_nothing_is_taken(kafka: str, token: str | None) -> None:
    async def scenario() -> tuple[int, dict[str, object]]:
        async with receiver(kafka) as (port, _):
            return await post(port, "/v1/power", power(0), token=token)

    status, answer = asyncio.run(scenario())

    assert status == 401
    assert "token" in str(answer["error"])


def test_what_is_too_large_is_refused_with_a_sentence(kafka: str) -> None:
    async def scenario() -> list[tuple[int, dict[str, object]]]:
        async with receiver(kafka, limits=ReceiverLimits(max_body_bytes=2000, max_lines=5)) as (port, _):
            return [
                await post(port, "/v1/power", "x" * 3000),
                await post(port, "/v1/power", *["{}"] * 10),
            ]

    answers = asyncio.run(scenario())

    assert [status for status, _ in answers] == [413, 413]
    assert all("send fewer lines" in str(answer["error"]) for _, answer in answers)


def test_when_the_broker_is_gone_the_answer_is_503_and_readyz_says_why(tmp_path: Path) -> None:
    async def scenario() -> None:
        with own_broker(tmp_path) as broker:
            async with receiver(broker.bootstrap, delivery_seconds=1) as (port, _):
                assert (await post(port, "/v1/power", power(0)))[0] == 200
                assert await request(port, "GET", "/readyz") == (200, "ok\n")
                broker.kill()
                status, answer = await post(port, "/v1/power", power(1))
                assert status == 503
                assert "send all of them again" in str(answer["error"])
                assert await request(port, "GET", "/readyz") == (503, "the broker does not acknowledge\n")
                assert await request(port, "GET", "/livez") == (200, "ok\n")

    asyncio.run(scenario())


def test_too_much_waiting_for_the_broker_is_429(kafka: str) -> None:
    async def scenario() -> tuple[int, dict[str, object]]:
        async with receiver(kafka) as (port, producer):
            producer.bound_bytes = 100
            return await post(port, "/v1/power", power(0), power(1))

    assert asyncio.run(scenario())[0] == 429


def test_metrics_name_no_meter(kafka: str) -> None:
    async def scenario() -> str:
        async with receiver(kafka) as (port, _):
            await post(port, "/v1/power", power(0))
            return (await request(port, "GET", "/metrics"))[1]

    text = asyncio.run(scenario())

    assert 'http_lines_total{result="accepted",stream="power"}' in text
    assert "meter-1" not in text


def test_registry_and_tokens_come_from_the_database(kafka: str, database: str, tmp_path: Path) -> None:
    with connect(database, application_name="test") as connection:
        save_registry(connection, city())
        add_integrator(connection, "grid", "token-of-grid")
    meter = city().meters[0]

    def owner(token: str) -> str | None:
        with connect(database, application_name="test") as connection:
            return integrator_of(connection, token)

    async def scenario() -> None:
        line = json.dumps({"meter_id": meter.meter_id, "time": "2026-11-21T00:00:00", "kw": 1.0}).encode()
        async with (
            PackingProducer(kafka) as producer,
            meters_of(database) as meters,
            gates_of(database) as gates,
            serving(Receiver(producer, meters, gates, owner).app(), "127.0.0.1", 0) as port,
        ):
            with Journal(tmp_path / "journal.jsonl") as journal:
                async with HttpSender("127.0.0.1", port, "token-of-grid", journal, Random(1)) as sender:
                    posted = await sender.send("power", [line, b"nonsense"])
            assert posted is not None
            assert (posted.accepted, [n for n, _ in posted.refused]) == (1, [2])

    asyncio.run(scenario())

    events = [entry.event for entry in read_journal(tmp_path / "journal.jsonl")]
    assert events == [Event.SENT, Event.SENT, Event.ANSWERED, Event.REFUSED]
    (entry,) = answered(read_journal(tmp_path / "journal.jsonl")).values()
    assert entry.subject == meter.meter_id
    (item,) = kept(kafka, Topic.POWER, "2026-11-21T00:00:00")
    assert item.partition == partition_of(meter.site_id)
