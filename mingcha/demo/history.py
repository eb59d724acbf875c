"""History by the same way as live data: frames and lines through Kafka, packed as the doors pack them."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from domain.clock import Interval, to_microseconds
from ingest.producer import PackingProducer
from ingest.records import Item, Kind
from ingest.topics import Topic
from mingcha.demo.memory import MINUTE_DAYS, Memory
from simulators.frames import SentFrame, frames
from simulators.lines import passage_lines, power_lines
from simulators.streams import Streams

#: Who "sent" the back-filled items: no address, so that nobody takes them for something a socket received.
PEER = "0.0.0.0:0"
#: Between two looks at the room in the producer.
STRIDE = 256


@dataclass(frozen=True)
class Sent:
    frames: int = 0
    power: int = 0
    passages: int = 0


Progress = Callable[[str, int], None]


async def send_history(memory: Memory, kafka: str, progress: Progress) -> Sent:
    """Send everything before `live_from`; returns when the broker has all of it.

    `progress(kind, items)` is called with kind `frames`, `power` or `passages`. Raises BrokerError.
    """
    city = memory.city
    streams = city.simulate(memory.start, memory.live_from)
    async with PackingProducer(kafka) as producer:
        counts = {"frames": 0, "power": 0, "passages": 0}

        async def send(
            kind: str, topic: Topic, item_kind: Kind, items: Iterator[tuple[int, str, bytes]]
        ) -> None:
            waiting = 0
            for time_us, site_id, body in items:
                producer.submit(topic, item_kind, site_id, Item(body, time_us, PEER))
                waiting += 1
                if waiting == STRIDE:
                    await producer.room()
                    counts[kind] += waiting
                    progress(kind, waiting)
                    waiting = 0
            counts[kind] += waiting
            progress(kind, waiting)

        await send("power", Topic.POWER, Kind.POWER_LINE, _sited(streams, "power"))
        await send("passages", Topic.GATE, Kind.PASSAGE_LINE, _sited(streams, "passages"))
        await send("frames", Topic.CEMS, Kind.HJ212, _frames(memory, streams))
        await producer.flush()
    return Sent(**counts)


def _frames(memory: Memory, streams: Streams) -> Iterator[tuple[int, str, bytes]]:
    """Hour frames of all history and minute frames of its last days, merged by time of sending."""
    city, until = memory.city, memory.live_from
    recent = city.simulate(max(memory.start, until - timedelta(days=MINUTE_DAYS)), until)
    both = heapq.merge(
        frames(city, streams, (Interval.HOUR,), until),
        frames(city, recent, (Interval.MINUTE,), until),
        key=_when,
    )
    return ((sent.time_us, sent.site_id, sent.frame) for sent in both)


def _when(sent: SentFrame) -> int:
    return sent.time_us


def _sited(streams: Streams, kind: str) -> Iterator[tuple[int, str, bytes]]:
    """Lines site by site: the partition is the site's, and a site's lines keep their order."""
    for site in streams.sites:
        one = Streams((site,))
        for time_us, line in power_lines(one) if kind == "power" else passage_lines(one):
            yield time_us, site.site_id, line


def expected_frames(memory: Memory) -> int:
    """About how many frames history holds, for the progress bar."""
    outlets = len(list(memory.city.outlets()))
    hours = (to_microseconds(memory.live_from) - to_microseconds(memory.start)) // 3_600_000_000
    return outlets * (hours + MINUTE_DAYS * 24 * 6)
