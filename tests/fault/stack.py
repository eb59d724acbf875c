"""The real parts under fire: PostgreSQL, Apache Kafka, gateway, receiver and writer, each a process.

Each of our parts has its own `Processes`, because each needs its own health port. What dies is revived, as
the supervisor of the local stack does; deaths we did not cause are kept with the last words of the part.
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition

from ingest.topics import PARTITIONS, Topic
from mingcha.stack.broker import ApacheBroker
from mingcha.stack.ports import free_port
from mingcha.stack.postgres import EmbeddedPostgres
from mingcha.stack.processes import Part, Processes, last_words
from storage.migrate import migrate

LIBRARIES = Path(__file__).resolve().parents[2] / ".mingcha" / "kafka-libraries"
PARTS = ("writer", "gateway", "receiver")
READY_SECONDS = 60.0


def missing_program() -> str | None:
    """What keeps Apache Kafka from running here, None when it can."""
    if shutil.which("java") is None:
        return "Apache Kafka needs Java 17, and there is no java"
    if shutil.which("mvn") is None and not any(LIBRARIES.glob("kafka_2.13-*.jar")):
        return "fetching Apache Kafka needs Maven, and there is no mvn"
    return None


@dataclass(frozen=True)
class Death:
    """A part ended without being killed by us."""

    name: str
    code: int
    words: str


@dataclass
class FaultStack:
    """`start` it once; every method returns only when what it did is done. Not for use by two at a time."""

    home: Path
    postgres: EmbeddedPostgres = field(init=False)
    broker: ApacheBroker = field(init=False)
    deaths: list[Death] = field(default_factory=list, init=False)
    _parts: dict[str, Processes] = field(default_factory=dict, init=False)
    _health: dict[str, int] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self.postgres = EmbeddedPostgres(self.home / "postgres", free_port())
        self.broker = ApacheBroker(self.home / "kafka", free_port(), LIBRARIES)
        self.gateway_port = free_port()
        self.receiver_port = free_port()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "MINGCHA_HOME": str(self.home),
            "MINGCHA_DATABASE_URL": self.postgres.url,
            "MINGCHA_KAFKA": self.broker.bootstrap,
            "MINGCHA_GATEWAY_PORT": str(self.gateway_port),
            "MINGCHA_RECEIVER_PORT": str(self.receiver_port),
        }

    def start(self, registered: Callable[[str], None]) -> None:
        """`registered` fills the registry of this database URL before the doors read it."""
        self.postgres.start()
        migrate(self.postgres.url)
        registered(self.postgres.url)
        self.broker.start()
        for name in PARTS:
            self.start_part(name, name)
        for name in PARTS:
            self.wait_ready(name)

    def stop(self) -> None:
        for processes in self._parts.values():
            processes.stop()
        self.broker.kill()
        self.postgres.remove()

    def start_part(self, name: str, *arguments: str) -> None:
        """Start `mingcha <arguments>` under this name, with a health port of its own."""
        self._health[name] = self.receiver_port if name == "receiver" else free_port()
        metrics = {} if name == "receiver" else {"MINGCHA_METRICS_PORT": str(self._health[name])}
        self._parts[name] = Processes(self.home / "log", self.environment | metrics)
        self._parts[name].start(name, *arguments)

    def part(self, name: str) -> Part:
        return self._parts[name].parts[name]

    def forget_part(self, name: str) -> None:
        """Kill a part for good."""
        self.kill(name)
        self._parts.pop(name).stop()

    def is_alive(self, name: str) -> bool:
        return self.part(name).process.poll() is None

    def is_ready(self, name: str) -> bool:
        """Whether /readyz says the part does its work."""
        if not self.is_alive(name):
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self._health[name], timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def wait_ready(self, name: str) -> None:
        wait_until(lambda: self.is_ready(name), f"the {name} is ready")

    def signal(self, name: str, number: signal.Signals) -> None:
        if self.is_alive(name):
            os.kill(self.part(name).pid, number)

    def kill(self, name: str) -> None:
        """kill -9, and see it dead."""
        process = self.part(name).process
        if process.poll() is None:
            process.kill()
            process.wait()

    def revive(self, name: str) -> None:
        """Start a dead part again; one that ended by itself is remembered with its last words."""
        part = self.part(name)
        code = part.process.poll()
        if code is None:
            return
        if code != -signal.SIGKILL:
            self.deaths.append(Death(name, code, last_words(part.log, 1)))
        part.deaths.clear()  # it is we who kill it so often
        self._parts[name].revive()

    def last_words(self, name: str) -> str:
        return last_words(self.part(name).log, 1)

    def command(self, *arguments: str, database_url: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run `mingcha <arguments>` against this stack (or another database of it), to its end."""
        database = {} if database_url is None else {"MINGCHA_DATABASE_URL": database_url}
        return subprocess.run(
            [sys.executable, "-m", "mingcha", *arguments],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment, **database, "COLUMNS": "300"},
        )

    def log_ends(self) -> dict[Path, int]:
        return {path: path.stat().st_size for path in (self.home / "log").glob("*.log")}

    def tracebacks_since(self, ends: dict[Path, int]) -> list[str]:
        """Lines of our logs after these positions that carry a Python traceback: nobody expected them."""
        found = []
        for path in (self.home / "log").glob("*.log"):
            with path.open("rb") as log:
                log.seek(ends.get(path, 0))
                text = log.read().decode(errors="replace")
            if "Traceback" in text:
                found.append(f"{path.name}: …{text[max(0, text.index('Traceback') - 300) :][:3000]}")
        return found


class Broker:
    """The topics of a broker seen from outside: where they end."""

    def __init__(self, bootstrap: str) -> None:
        self._consumer = KafkaConsumer(bootstrap_servers=bootstrap, allow_auto_create_topics=False)

    def __enter__(self) -> Broker:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def ends(self) -> dict[tuple[str, int], int]:
        """The offset after the last record, by topic and partition."""
        places = [TopicPartition(topic.value, p) for topic in Topic for p in range(PARTITIONS)]
        listed = self._consumer.end_offsets(places)
        return {(place.topic, place.partition): offset for place, offset in listed.items()}


def wait_until(condition: Callable[[], bool], what: str, seconds: float = READY_SECONDS) -> float:
    """Seconds until the condition held. Raises AssertionError naming what never came."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.02)
    return time.monotonic() - began
