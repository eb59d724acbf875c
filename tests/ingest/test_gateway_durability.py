"""Guarantee G1: no answer before the broker has the frame; and what happens when it is slow, away or back."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from random import Random

import pytest

from ingest.gateway import Limits
from ingest.hj212 import read_head
from ingest.topics import Topic
from mingcha.stack.broker import MemoryBroker
from simulators.device import Device as Sender
from simulators.device import Retry
from simulators.journal import Journal
from tests.ingest.doors import Link, device, eventually, frame, gateway, heads, kept, own_broker

pytestmark = pytest.mark.stack

MN = "DURABLE0000001"


def freeze(broker: MemoryBroker) -> None:
    assert broker.process is not None
    broker.process.send_signal(signal.SIGSTOP)


def thaw(broker: MemoryBroker) -> None:
    assert broker.process is not None
    broker.process.send_signal(signal.SIGCONT)


def test_while_the_broker_has_not_acknowledged_nothing_is_answered(tmp_path: Path) -> None:
    async def scenario(broker: MemoryBroker) -> None:
        async with gateway(broker.bootstrap, {MN: device(MN)}) as (door, _):
            link = await Link.to(door.port)
            freeze(broker)
            link.writer.write(frame(MN))
            assert await link.silent(0.7)
            thaw(broker)
            assert read_head(await link.answer()).cn == "9014"
            assert len(kept(broker.bootstrap, Topic.CEMS, MN)) == 1
            await link.close()

    with own_broker(tmp_path) as broker:
        asyncio.run(scenario(broker))


def test_a_frame_sent_while_the_broker_is_dead_is_answered_once_it_is_back(tmp_path: Path) -> None:
    async def scenario(broker: MemoryBroker) -> None:
        retry = Retry(over_time_seconds=1.5, re_count=20)
        async with gateway(broker.bootstrap, {MN: device(MN)}, delivery_seconds=1) as (door, producer):
            with Journal(tmp_path / "journal.jsonl") as journal:
                async with Sender("127.0.0.1", door.port, journal, Random(1), retry=retry) as sender:
                    assert (await sender.send([frame(MN, 0)])).answered == 1
                    broker.kill()
                    sending = asyncio.create_task(sender.send([frame(MN, 1)]))
                    await eventually(lambda: not producer.reachable)
                    assert door.missing() == "the broker does not acknowledge"
                    assert sender.tally.answered == 1
                    broker.start()
                    assert (await sending).answered == 2
            # the memory broker forgot the first frame when it died; the second is there
            assert set(heads(kept(broker.bootstrap, Topic.CEMS, MN))) == {"20261120100030000"}

    with own_broker(tmp_path) as broker:
        asyncio.run(scenario(broker))


def test_a_socket_with_too_much_unacknowledged_is_not_read_until_the_broker_answers(tmp_path: Path) -> None:
    frames = [frame(MN, n) for n in range(4000)]

    async def scenario(broker: MemoryBroker) -> None:
        limits = Limits(max_unacknowledged_bytes=100_000)
        async with gateway(broker.bootstrap, {MN: device(MN)}, limits) as (door, producer):
            link = await Link.to(door.port)
            freeze(broker)
            for packet in frames:
                link.writer.write(packet)
            await eventually(lambda: producer.waiting_bytes >= 100_000)
            await asyncio.sleep(0.2)  # time in which an unbounded gateway would have read all
            # one more read of 64 kB can be under way when the bound is reached
            assert producer.waiting_bytes < 100_000 + 2 * 64 * 1024
            thaw(broker)
            for packet in frames:
                assert read_head(await link.answer()).qn == read_head(packet).qn
            await link.close()

    with own_broker(tmp_path) as broker:
        asyncio.run(scenario(broker))


def test_a_clean_shutdown_answers_everything_that_became_durable(kafka: str) -> None:
    mn = "SHUTDOWN000001"

    async def scenario() -> list[str]:
        answers = []
        async with gateway(kafka, {mn: device(mn)}) as (door, producer):
            link = await Link.to(door.port)
            for n in range(200):
                link.writer.write(frame(mn, n))
            await eventually(lambda: producer.waiting_bytes > 0)
        while answer := await link.answer():
            answers.append(read_head(answer).qn)
        await link.close()
        return answers

    answers = asyncio.run(scenario())

    assert answers == heads(kept(kafka, Topic.CEMS, mn))
    assert answers


def test_two_hundred_devices_at_once_each_get_their_own_answers(kafka: str, tmp_path: Path) -> None:
    mns = [f"MANY{n:010d}" for n in range(200)]

    async def scenario() -> int:
        async with gateway(kafka, {mn: device(mn) for mn in mns}) as (door, _):
            with Journal(tmp_path / "journal.jsonl") as journal:

                async def run(mn: str) -> int:
                    async with Sender("127.0.0.1", door.port, journal, Random(mn)) as sender:
                        return (await sender.send(frame(mn, n) for n in range(5))).answered

                return sum(await asyncio.gather(*(run(mn) for mn in mns)))

    assert asyncio.run(scenario()) == 1000
    assert len(kept(kafka, Topic.CEMS, "MN=MANY")) == 1000
