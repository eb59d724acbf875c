"""The city from now on: what falls due, tick after tick, seamlessly after its history.

Nothing here sleeps: a tick says when it is due, the caller keeps the clock. History is what was sent before
`now` (`until` of frames, power_lines, passage_lines), live what is sent from `now` on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from domain.clock import (
    MICROSECONDS_PER_HOUR,
    MICROSECONDS_PER_MINUTE,
    Interval,
    from_microseconds,
    to_microseconds,
)
from simulators.city import City
from simulators.frames import SentFrame, frames
from simulators.lines import passage_lines, power_lines

#: How much of the future is realised at once. A realisation starts at the city's origin and takes seconds.
AHEAD_US = 12 * MICROSECONDS_PER_HOUR
#: The longest from the start of an interval to the sending of its row.
BEHIND_US = 2 * MICROSECONDS_PER_HOUR
KINDS = (Interval.REALTIME, Interval.MINUTE, Interval.HOUR)

Sent = TypeVar("Sent")


@dataclass(frozen=True)
class Tick:
    """What the city sends until `due`; `after_seconds` of real time after the start."""

    due: datetime
    after_seconds: float
    frames: tuple[SentFrame, ...]
    power_lines: tuple[bytes, ...]
    passage_lines: tuple[bytes, ...]


def live(city: City, now: datetime, speed: float = 1.0) -> Iterator[Tick]:
    """A tick a simulated minute from `now` (aware) on, without end. `speed` 60: an hour in a minute."""
    now_us = to_microseconds(now)
    first = now_us
    while True:
        last = (first + AHEAD_US) // MICROSECONDS_PER_HOUR * MICROSECONDS_PER_HOUR
        start = max(city.start, from_microseconds(first - BEHIND_US))
        streams = city.simulate(start, from_microseconds(last))
        due_frames = _by_minute(frames(city, streams, KINDS), lambda sent: sent.time_us, first, last)
        due_power = _by_minute(power_lines(streams), lambda sent: sent[0], first, last)
        due_passages = _by_minute(passage_lines(streams), lambda sent: sent[0], first, last)
        for minute in range(first // MICROSECONDS_PER_MINUTE, last // MICROSECONDS_PER_MINUTE):
            due_us = (minute + 1) * MICROSECONDS_PER_MINUTE
            yield Tick(
                from_microseconds(due_us),
                (due_us - now_us) / 1e6 / speed,
                tuple(due_frames.get(minute, ())),
                tuple(line for _, line in due_power.get(minute, ())),
                tuple(line for _, line in due_passages.get(minute, ())),
            )
        first = last


def _by_minute(
    sent: Iterable[Sent], time_us: Callable[[Sent], int], first: int, last: int
) -> dict[int, list[Sent]]:
    """Things sent in `[first, last)` by their minute since 1970."""
    minutes: dict[int, list[Sent]] = {}
    for one in sent:
        time = time_us(one)
        if first <= time < last:
            minutes.setdefault(time // MICROSECONDS_PER_MINUTE, []).append(one)
    return minutes
