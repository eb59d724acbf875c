"""What the demo must know to go on where it stopped."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from domain.clock import Quarter, floor_hour
from simulators.city import City
from simulators.demo_city import demo_city

#: Frames every ten minutes are back-filled for this long; hour frames for all of history.
MINUTE_DAYS = 14


@dataclass(frozen=True)
class Memory:
    """`start`: origin of the city's world; `live_from`: where history ended. Aware UTC, full hours."""

    seed: int
    start: datetime
    live_from: datetime
    token: str  # of the demo's own integrator, for the HTTP receiver on this machine

    @property
    def city(self) -> City:
        return demo_city(self.seed, self.start, self.live_from)

    def save(self, file: Path) -> None:
        fields = asdict(self) | {"start": self.start.isoformat(), "live_from": self.live_from.isoformat()}
        file.touch(mode=0o600)
        file.write_text(json.dumps(fields), encoding="utf-8")


def new_memory(seed: int, now: datetime) -> Memory:
    """A city whose history begins with the previous quarter, so that one whole quarter can be judged."""
    return Memory(seed, Quarter.of(now).previous().start, floor_hour(now), secrets.token_urlsafe(24))


def recall(file: Path) -> Memory | None:
    """The demo that already has its history here, or None."""
    if not file.exists():
        return None
    fields = json.loads(file.read_text(encoding="utf-8"))
    times = {name: datetime.fromisoformat(fields[name]).astimezone(UTC) for name in ("start", "live_from")}
    return Memory(**(fields | times))
