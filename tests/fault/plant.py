"""What one seed sends: devices of all editions, meters and gates; and what must come out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TypeVar

from domain.clock import Interval, in_shanghai
from domain.registry import (
    Device,
    DeviceState,
    FactorCode,
    Gate,
    GateId,
    Meter,
    MeterId,
    MeterRole,
    Outlet,
    OutletId,
    Registry,
    Site,
    SiteId,
)
from ingest.hj212 import Edition, FrameDraft, ReadingValue, encode, reading_group
from simulators.device import Device as Sender
from simulators.device import Disturbance, Retry, Tally
from simulators.frames import code_of
from simulators.http_sender import HttpSender
from simulators.journal import Journal
from storage.connection import connect
from storage.registry import add_integrator, save_registry

T = TypeVar("T")

START = datetime(2026, 3, 1, tzinfo=UTC)
FACTORS = tuple(map(FactorCode, ("a34013", "a21026", "a21002", "a19001", "a00000", "a01012", "a01013")))
DISTURBANCE = Disturbance(duplicate=0.1, reorder=0.1, corrupt=0.05, split=0.2, noise=0.03, hang_up=0.05)
KEY = bytes(range(16))
LINES_PER_POST = 5
TOKEN = "token of the collectors"


@dataclass(frozen=True)
class Reading:
    """As it must stand in the database."""

    outlet_id: str
    interval: str
    factor: str
    time: datetime
    avg: float


@dataclass(frozen=True)
class Message:
    """One frame and the readings in it."""

    mn: str
    frame: bytes
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class Plant:
    """Sites, and everything they send, made from a seed."""

    seed: int
    registry: Registry
    devices: tuple[Device, ...]
    messages: tuple[tuple[Message, ...], ...]  # per device
    power: tuple[bytes, ...]
    passages: tuple[bytes, ...]

    def all_messages(self) -> list[Message]:
        return [message for own in self.messages for message in own]


def make_plant(seed: int, *, devices: int = 12, frames: int = 60) -> Plant:
    """Two devices a site; minute and hour frames; one in eight minute frames is too long for one packet."""
    random = Random(seed)
    sites = tuple(Site(SiteId(f"fault-{seed}-{n}"), f"{n}厂") for n in range((devices + 1) // 2))
    senders = tuple(_device(seed, n, sites[n // 2].site_id, random) for n in range(devices))
    return Plant(
        seed=seed,
        registry=Registry(
            sites=sites,
            outlets=tuple(_outlet(device) for device in senders),
            meters=tuple(
                Meter(MeterId(f"{site.site_id}-meter"), site.site_id, MeterRole.PRODUCTION) for site in sites
            ),
            gates=tuple(Gate(GateId(f"{site.site_id}-gate"), site.site_id) for site in sites),
        ),
        devices=senders,
        messages=tuple(_messages(device, frames, random) for device in senders),
        power=tuple(
            _line(meter_id=f"{site.site_id}-meter", time=_local(n), kw=round(random.uniform(1, 900), 1))
            for n in range(frames)
            for site in sites[:3]
        ),
        passages=tuple(
            _line(gate_id=f"{site.site_id}-gate", time=_local(n), direction="in", plate=f"鄂A{n:05}")
            for n in range(frames)
            for site in sites[:2]
        ),
    )


def register_plants(url: str, seeds: int) -> None:
    """Plants 0 to `seeds`, and the token of their collectors."""
    with connect(url, application_name="test") as connection:
        for seed in range(seeds + 1):
            plant = make_plant(seed)
            save_registry(connection, plant.registry, plant.devices)
        add_integrator(connection, "collectors", TOKEN)


async def send_everything(
    plant: Plant, journal: Journal, *, gateway_port: int, receiver_port: int, token: str, seconds: float
) -> list[Tally]:
    """Send for about so many seconds, longer when parts are away; return when all is answered or given up."""
    random = Random(plant.seed)

    async def device(own: Sequence[Message]) -> Tally:
        # a third gives up after the three attempts of the standard, the others go on until it is taken
        retry = Retry(over_time_seconds=1.0, re_count=random.choice((3, 90, 90)))
        sender = Sender(
            "127.0.0.1", gateway_port, journal, Random(random.random()), disturbance=DISTURBANCE,
            retry=retry, window=random.choice((1, 1, 4)),
        )  # fmt: skip
        async with sender:
            return await sender.send(_paced([m.frame for m in own], seconds, random))

    async def lines(stream: str, all_lines: Sequence[bytes]) -> None:
        sender = HttpSender(
            "127.0.0.1", receiver_port, token, journal, Random(random.random()), attempts=60,
            timeout_seconds=12, longest_pause_seconds=1,
        )  # fmt: skip
        batches = [all_lines[i : i + LINES_PER_POST] for i in range(0, len(all_lines), LINES_PER_POST)]
        async with sender:
            async for batch in _paced(batches, seconds, random):
                if stream == "power":
                    await sender.send("power", batch)
                else:
                    await sender.send("passages", batch)

    async with asyncio.TaskGroup() as group:
        sending = [group.create_task(device(own)) for own in plant.messages]
        group.create_task(lines("power", plant.power))
        group.create_task(lines("passages", plant.passages))
    return [task.result() for task in sending]


async def _paced(things: Sequence[T], seconds: float, random: Random) -> AsyncIterator[T]:
    for thing in things:
        yield thing
        await asyncio.sleep(random.uniform(0, 2 * seconds / len(things)))


def _device(seed: int, number: int, site_id: SiteId, random: Random) -> Device:
    edition = random.choice((Edition.HJ_2005, Edition.HJ_2017, Edition.HJ_2017, Edition.HJ_2025))
    return Device(
        mn=f"FAULT{seed:06}{number:06}",
        outlet_id=OutletId(f"{site_id}-{number}"),
        site_id=site_id,
        state=DeviceState.ACTIVE,
        password="123456",
        edition=str(int(edition)),
        sm4_key=KEY if edition is Edition.HJ_2025 and random.random() < 0.5 else None,
    )


def _outlet(device: Device) -> Outlet:
    assert device.outlet_id is not None and device.site_id is not None
    return Outlet(device.outlet_id, device.site_id, "排口", mn=device.mn)


def _messages(device: Device, count: int, random: Random) -> tuple[Message, ...]:
    """The frames of a device in order; the packets of a split message are frames of their own."""
    made: list[Message] = []
    minute = hour = 0
    while len(made) < count:
        if random.random() < 0.2:
            made += _message(device, Interval.HOUR, START + timedelta(hours=hour), random)
            hour += 1
        else:
            made += _message(device, Interval.MINUTE, START + timedelta(minutes=minute), random)
            minute += 1
    return tuple(made)


def _message(device: Device, interval: Interval, time: datetime, random: Random) -> list[Message]:
    edition = Edition(device.edition or Edition.HJ_2017)
    wide = random.random() < 0.125
    codes = FACTORS if wide else random.sample(FACTORS, random.randint(2, 4))
    values = [round(random.uniform(1, 80), 2) for _ in codes]
    draft = FrameDraft(
        edition=edition,
        cn="2061" if interval is Interval.HOUR else "2051",
        mn=device.mn,
        # a QN of its own for every frame: that is what an answer names
        qn=time + timedelta(milliseconds=500 if interval is Interval.HOUR else 0),
        data_time=time,
        wants_answer=random.random() > 0.03,
    )
    groups = tuple(
        reading_group(
            ReadingValue(
                code_of(code, edition), code, value, value / 2, value * 2,
                converted_avg=value, total=value, flag="N",
                extra=(("Info", "X" * 120),) if wide else (),
            ),
            interval,
        )
        for code, value in zip(codes, values, strict=True)
    )  # fmt: skip
    draft = replace(draft, groups=groups)
    packets, plain = encode(draft, device.sm4_key), encode(draft)
    readings = [
        (
            f";{code_of(code, edition)}-Cou=".encode(),
            Reading(str(device.outlet_id), interval.value, code, time, value),
        )
        for code, value in zip(codes, values, strict=True)
    ]
    return [
        Message(device.mn, packet, tuple(reading for name, reading in readings if name in text))
        for packet, text in zip(packets, plain, strict=True)
    ]


def _local(minute: int) -> str:
    return in_shanghai(START + timedelta(minutes=minute)).isoformat()


def _line(**columns: object) -> bytes:
    return json.dumps(columns, ensure_ascii=False).encode()
