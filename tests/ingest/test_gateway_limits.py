"""One bad device cannot hold a socket, memory or the others (guarantee G5)."""

from __future__ import annotations

import asyncio

import pytest

from ingest.gateway import Limits
from ingest.hj212 import read_head
from ingest.topics import Topic
from tests.ingest.doors import Link, device, frame, gateway, kept

pytestmark = pytest.mark.stack

MN = "LIMITS00000001"


async def closed_by_gateway(kafka: str, limits: Limits, *pieces: bytes, pause_seconds: float = 0.02) -> bool:
    async with gateway(kafka, {MN: device(MN)}, limits) as (door, _):
        link = await Link.to(door.port)
        try:
            for piece in pieces:
                link.writer.write(piece)
                await asyncio.sleep(pause_seconds)
            return await link.answer(5) == b""
        except ConnectionError:
            return True
        finally:
            link.writer.close()


def test_a_packet_that_comes_byte_by_byte_is_cut_off_by_its_deadline(kafka: str) -> None:
    limits = Limits(packet_seconds=0.5, settle_seconds=0.1)
    packet = frame(MN, wants_answer=False)

    assert asyncio.run(closed_by_gateway(kafka, limits, *(packet[i : i + 1] for i in range(60))))


def test_a_silent_socket_is_closed(kafka: str) -> None:
    assert asyncio.run(closed_by_gateway(kafka, Limits(idle_seconds=0.2)))


def test_a_socket_that_only_sends_refused_packets_is_closed(kafka: str) -> None:
    wrong = frame(MN, wants_answer=False)[:-3] + b"7\r\n"

    assert asyncio.run(closed_by_gateway(kafka, Limits(max_refusals_in_a_row=10), wrong * 10))


def test_an_endless_packet_holds_no_more_than_its_bound(kafka: str) -> None:
    limits = Limits(max_refusals_in_a_row=5)

    assert asyncio.run(closed_by_gateway(kafka, limits, b"##9999ENDLESS" + b"x" * 100_000, b"x" * 100_000))
    assert max(len(item.body) for item in kept(kafka, Topic.DEAD_LETTER, "xxxx")) < 4096 + 400


def test_beyond_the_cap_a_new_socket_is_closed_and_the_others_go_on(kafka: str) -> None:
    async def scenario() -> bytes:
        async with gateway(kafka, {MN: device(MN)}, Limits(max_connections=2)) as (door, _):
            links = [await Link.to(door.port) for _ in range(2)]
            for link in links:
                link.writer.write(frame(MN))
                await link.answer()
            extra = await Link.to(door.port)
            with pytest.raises(ConnectionError):
                extra.writer.write(frame(MN))
                if await extra.answer() == b"":
                    raise ConnectionResetError
            extra.writer.close()
            links[0].writer.write(frame(MN, 1))
            answer = await links[0].answer()
            for link in links:
                await link.close()
            return answer

    assert read_head(asyncio.run(scenario())).cn == "9014"
