"""What a gateway keeps, refuses and answers."""

from __future__ import annotations

import asyncio
import json

import pytest

from domain.registry import Device, DeviceState
from ingest.gateway import Limits
from ingest.hj212 import Edition, read_head
from ingest.hj212.crc import crc_modbus
from ingest.topics import Topic, partition_of
from tests.ingest.doors import Link, device, frame, gateway, heads, kept

pytestmark = pytest.mark.stack


def dead_letters(kafka: str, mn: str) -> list[tuple[dict[str, str], bytes]]:
    letters = []
    for item in kept(kafka, Topic.DEAD_LETTER, mn):
        head, _, body = item.body.partition(b"\n")
        letters.append((json.loads(head), body))
    return letters


async def exchange(kafka: str, devices: dict[str, Device], *frames: bytes) -> list[bytes]:
    """Send frames one by one, each after the answer of the one before."""
    async with gateway(kafka, devices) as (door, _):
        link = await Link.to(door.port)
        answers = []
        for packet in frames:
            link.writer.write(packet)
            answers.append(await link.answer())
        await link.close()
    return answers


@pytest.mark.parametrize(
    ("edition", "form"),
    [
        (Edition.HJ_2005, "ST=91;CN=9014;PW=123456;MN={mn};Flag=0;CP=&&QN=20261120100000000&&"),
        (Edition.HJ_2017, "QN=20261120100000000;ST=91;CN=9014;PW=123456;MN={mn};Flag=4;CP=&&&&"),
        (Edition.HJ_2025, "QN=20261120100000000;ST=91;CN=9014;PW=123456;MN={mn};Flag=8;CP=&&&&"),
    ],
)
def test_every_edition_gets_its_own_form_of_answer(kafka: str, edition: Edition, form: str) -> None:
    mn = f"EDITION{edition.value}"

    (answer,) = asyncio.run(exchange(kafka, {mn: device(mn)}, frame(mn, edition=edition)))

    assert answer[6:-6].decode() == form.format(mn=mn)


def test_a_notice_is_answered_9013(kafka: str) -> None:
    mn = "NOTICE00000001"
    frames = [frame(mn, n, cn=cn, groups=()) for n, cn in enumerate(("2081", "1013", "9015"))]

    answers = asyncio.run(exchange(kafka, {mn: device(mn)}, *frames))

    assert [read_head(a).cn for a in answers] == ["9013"] * 3


def test_a_frame_that_asks_for_no_answer_gets_none_and_is_kept(kafka: str) -> None:
    mn = "NOANSWER000001"

    (answer,) = asyncio.run(
        exchange(kafka, {mn: device(mn)}, frame(mn, 0, wants_answer=False) + frame(mn, 1))
    )

    assert read_head(answer).qn == "20261120100030000"
    assert heads(kept(kafka, Topic.CEMS, mn)) == ["20261120100000000", "20261120100030000"]


def test_frames_are_kept_as_received_on_the_partition_of_their_site(kafka: str) -> None:
    mn = "PARTITION00001"
    packet = frame(mn)

    asyncio.run(exchange(kafka, {mn: device(mn)}, packet))

    (item,) = kept(kafka, Topic.CEMS, mn)
    assert item.body == packet
    assert item.partition == partition_of(f"site-{mn}")
    assert item.peer == "127.0.0.1"


def test_an_unknown_mn_is_answered_and_kept_on_the_partition_of_its_mn(kafka: str) -> None:
    mn = "NEVERSEEN00001"

    (answer,) = asyncio.run(exchange(kafka, {}, frame(mn)))

    assert read_head(answer).cn == "9014"
    (item,) = kept(kafka, Topic.CEMS, mn)
    assert item.partition == partition_of(mn)


def test_an_mn_registered_a_moment_ago_is_found(kafka: str) -> None:
    mn = "NEWDEVICE00001"
    registry: dict[str, Device] = {}

    async def scenario() -> None:
        async with gateway(kafka, registry) as (door, _):
            registry[mn] = device(mn)
            link = await Link.to(door.port)
            link.writer.write(frame(mn))
            await link.answer()
            await link.close()

    asyncio.run(scenario())

    assert [item.partition for item in kept(kafka, Topic.CEMS, mn)] == [partition_of(f"site-{mn}")]


def test_a_wrong_pw_is_told_so_and_kept_as_a_dead_letter_without_its_pw_in_the_reason(kafka: str) -> None:
    mn = "WRONGPW0000001"

    (answer,) = asyncio.run(exchange(kafka, {mn: device(mn, password="654321")}, frame(mn)))

    assert read_head(answer).cn == "9011"
    assert b"QnRtn=3" in answer
    assert kept(kafka, Topic.CEMS, mn) == []
    ((head, body),) = dead_letters(kafka, mn)
    assert (head["stage"], head["reason"], head["mn"], head["topic"]) == (
        "gateway",
        "password",
        mn,
        "raw.cems",
    )
    assert "123456" not in head["detail"]
    assert body == frame(mn)


def with_crc(packet: bytes, crc: int) -> bytes:
    return packet[:-6] + b"%04X\r\n" % crc


def test_a_modbus_crc_is_taken_only_from_a_device_that_may_send_one(kafka: str) -> None:
    strict, lenient = "CRCSTRICT00001", "CRCLENIENT0001"
    devices = {strict: device(strict), lenient: device(lenient, accepted_crc=("modbus",))}
    frames = [with_crc(f, crc_modbus(f[6:-6])) for f in (frame(strict), frame(lenient))]

    answers = asyncio.run(exchange(kafka, devices, *frames))

    assert [read_head(a).cn for a in answers] == ["9011", "9014"]
    assert b"QnRtn=9" in answers[0]
    ((head, body),) = dead_letters(kafka, strict)
    assert (head["reason"], body) == ("crc", frames[0])


def test_garbage_between_frames_is_kept_as_a_dead_letter_and_the_frames_get_through(kafka: str) -> None:
    mn = "GARBAGE0000001"
    noise = b"GET / HTTP/1.1 about " + mn.encode() + b"-noise\r\n"

    answers = asyncio.run(exchange(kafka, {mn: device(mn)}, frame(mn, 0), noise + frame(mn, 1)))

    assert [read_head(a).cn for a in answers] == ["9014", "9014"]
    ((head, body),) = dead_letters(kafka, f"{mn}-noise")
    assert head["reason"] == "garbage"
    assert body.rstrip() == noise.rstrip()


def test_a_2025_frame_is_checked_behind_its_cipher(kafka: str) -> None:
    from ingest.hj212.encode import FrameDraft, encode
    from tests.ingest.doors import START

    mn, key = "SM4CIPHER00001", b"0123456789abcdef"
    groups = ((("a21026-Rtd", "12.5"), ("a21026-Flag", "N")),)
    draft = FrameDraft(Edition.HJ_2025, "2011", mn, qn=START, data_time=START, groups=groups)
    (packet,) = encode(draft, key)

    answers = asyncio.run(exchange(kafka, {mn: device(mn, sm4_key=key)}, packet))

    assert read_head(answers[0]).cn == "9014"
    assert [item.body for item in kept(kafka, Topic.CEMS, mn)] == [packet]


def test_a_frame_split_at_any_byte_is_one_frame(kafka: str) -> None:
    mn = "SPLIT000000001"

    async def scenario() -> int:
        answered = 0
        async with gateway(kafka, {mn: device(mn)}) as (door, _):
            links = []
            for cut in range(1, len(frame(mn))):
                packet = frame(mn, cut)
                link = await Link.to(door.port)
                link.writer.write(packet[:cut])
                links.append((link, packet[cut:]))
            await asyncio.sleep(0.05)  # the first halves arrive alone
            for link, rest in links:
                link.writer.write(rest)
            for link, _ in links:
                answered += read_head(await link.answer()).cn == "9014"
                await link.close()
        return answered

    assert asyncio.run(scenario()) == len(frame(mn)) - 1


def test_a_frame_without_its_line_end_is_taken_after_a_moment_of_quiet(kafka: str) -> None:
    mn = "NOTAIL00000001"

    async def scenario() -> bytes:
        limits = Limits(settle_seconds=0.1)
        async with gateway(kafka, {mn: device(mn)}, limits) as (door, _):
            link = await Link.to(door.port)
            link.writer.write(frame(mn).rstrip())
            answer = await link.answer()
            await link.close()
            return answer

    assert read_head(asyncio.run(scenario())).cn == "9014"


def test_a_pending_device_is_kept_and_answered(kafka: str) -> None:
    mn = "PENDING0000001"

    (answer,) = asyncio.run(
        exchange(kafka, {mn: device(mn, site_id=None, outlet_id=None, state=DeviceState.PENDING)}, frame(mn))
    )

    assert read_head(answer).cn == "9014"
    assert [item.partition for item in kept(kafka, Topic.CEMS, mn)] == [partition_of(mn)]
