"""The whole local stack in one directory: PostgreSQL, a broker, gateway, receiver, writer.

`stack.json` remembers what runs, so that `status` and `down` work from another terminal and a stack left
behind by a killed terminal is found again.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from mingcha.settings import Settings
from mingcha.stack.broker import ApacheBroker, Broker, MemoryBroker
from mingcha.stack.errors import StackError
from mingcha.stack.ports import is_open, require_free, wait_open
from mingcha.stack.postgres import EmbeddedPostgres
from mingcha.stack.processes import Processes, last_words

log = logging.getLogger(__name__)

DRAIN_SECONDS = 60.0
#: A demo city with a quarter of history and its indexes takes about 1 GB.
DISK_BYTES = 3 * 1024**3


@dataclass
class LocalStack:
    """Paths, ports and parts; `broker_kind` is `memory` or `apache`."""

    settings: Settings
    broker_kind: str = "memory"
    postgres: EmbeddedPostgres = field(init=False)
    broker: Broker = field(init=False)
    processes: Processes = field(init=False)

    def __post_init__(self) -> None:
        home = self.home
        self.postgres = EmbeddedPostgres(home / "postgres", self.settings.postgres_port)
        port = self.settings.broker_port
        if self.broker_kind == "apache":
            self.broker = ApacheBroker(home / "kafka", port, home / "kafka-libraries")
        elif self.broker_kind == "memory":
            self.broker = MemoryBroker(home / "broker", port)
        else:
            raise StackError(f"unknown broker {self.broker_kind!r}; it is memory or apache")
        environment = {
            "MINGCHA_HOME": str(home),
            "MINGCHA_DATABASE_URL": self.database_url,
            "MINGCHA_KAFKA": self.kafka,
        }
        self.processes = Processes(home / "log", environment)

    @property
    def home(self) -> Path:
        return self.settings.home.resolve()

    @property
    def database_url(self) -> str:
        """The outside database the settings name, else ours."""
        return self.settings.require_database_url()

    @property
    def kafka(self) -> str:
        """The outside broker the settings name, else ours."""
        return self.settings.require_kafka()

    def check(self, *console_ports: int) -> None:
        """Raises StackError with one sentence when something stands in the way."""
        self.home.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.home).free
        if free < DISK_BYTES:
            raise StackError(
                f"{free >> 30} GB free at {self.home}; the local stack needs {DISK_BYTES >> 30} GB"
            )
        running = self.running()
        if running:
            raise StackError(
                f"a local stack already runs here ({', '.join(sorted(running))}); `mingcha down` stops it"
            )
        for port, what in (
            (self.settings.gateway_port, "gateway"),
            (self.settings.receiver_port, "receiver"),
        ):
            require_free(port, what)
        for port in console_ports:
            require_free(port, "console")

    def start_servers(self) -> None:
        """PostgreSQL and the broker, unless the settings name outside ones."""
        if self.settings.database_url is None:
            self.postgres.start()
        if self.settings.kafka is None:
            self.broker.start()
        self.remember()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Whatever happens inside, the stack is stopped afterwards."""
        try:
            yield
        finally:
            self.stop()

    def start_intake(self) -> None:
        """Gateway, receiver and, unless it runs already, writer; returns when both doors are open."""
        if "writer" not in self.processes.parts:
            self.processes.start("writer", "writer")
        self.processes.start("gateway", "gateway")
        self.processes.start("receiver", "receiver")
        for name, port in (
            ("gateway", self.settings.gateway_port),
            ("receiver", self.settings.receiver_port),
        ):
            self.wait_for(name, port)
        self.remember()

    def wait_for(self, name: str, port: int) -> None:
        part = self.processes.parts[name]
        try:
            wait_open(port, f"the {name}", lambda: part.process.poll() is None)
        except StackError as error:
            raise StackError(f"{error}: {last_words(part.log)}") from error

    def stop(self) -> None:
        """Doors first, then what still is in the broker is written, the servers last."""
        written = "writer" in self.processes.parts
        self.processes.stop()
        if written and self.settings.kafka is None and self.broker_kind == "memory":
            self._write_the_rest()
        if self.settings.kafka is None:
            self.broker.stop()
        if self.settings.database_url is None:
            self.postgres.stop()
        self._memory.unlink(missing_ok=True)

    def remember(self) -> None:
        pids = {name: part.pid for name, part in self.processes.parts.items()}
        if self.broker.process is not None:
            pids["broker"] = self.broker.process.pid
        self._memory.write_text(json.dumps({"broker": self.broker_kind, "pids": pids}))

    def running(self) -> dict[str, int]:
        """Parts of a remembered stack that still live: name -> pid."""
        if not self._memory.exists():
            return {}
        pids: dict[str, int] = json.loads(self._memory.read_text())["pids"]
        return {name: pid for name, pid in pids.items() if _is_ours(pid)}

    def status(self) -> list[tuple[str, bool, str]]:
        """(part, answers, where) for each part."""
        running = self.running()
        rows = [
            ("postgres", _database_answers(self.database_url), self.database_url.rsplit("@", 1)[-1]),
            ("broker", is_open(int(self.kafka.rsplit(":", 1)[-1]), self.kafka.rsplit(":", 1)[0]), self.kafka),
            ("gateway", is_open(self.settings.gateway_port), f"tcp port {self.settings.gateway_port}"),
            ("receiver", is_open(self.settings.receiver_port), f"http port {self.settings.receiver_port}"),
            ("console", is_open(self.settings.console_port), f"http port {self.settings.console_port}"),
        ]
        rows += [
            (n, True, f"pid {pid}") for n, pid in running.items() if n not in {name for name, _, _ in rows}
        ]
        return rows

    def stop_remembered(self) -> list[str]:
        """Stop a stack started elsewhere (another terminal, or a killed one). Returns what was stopped."""
        running = self.running()
        order = [name for name in reversed(running) if name != "broker"] + [
            n for n in running if n == "broker"
        ]
        for name in order:
            _terminate(running[name])
        if self.settings.database_url is None and self.postgres.is_running():
            self.postgres.stop()
            order.append("postgres")
        self._memory.unlink(missing_ok=True)
        return order

    def forget(self) -> None:
        """Delete every byte of the local stack. Kafka's libraries stay: they are a download, not data."""
        self.stop_remembered()
        for child in self.home.iterdir() if self.home.is_dir() else ():
            if child.name == "kafka-libraries":
                continue
            shutil.rmtree(child) if child.is_dir() else child.unlink()

    def _write_the_rest(self) -> None:
        """The in-memory broker forgets: what it acknowledged must reach the database before it ends."""
        drain = self.processes.start("drain", "writer", "--until-drained")
        try:
            drain.process.wait(DRAIN_SECONDS)
        except subprocess.TimeoutExpired:
            log.warning("not_drained", extra={"log": str(drain.log)})
        self.processes.stop()

    @property
    def _memory(self) -> Path:
        return self.home / "stack.json"


def _is_ours(pid: int) -> bool:
    """Whether the pid still is a process of a stack, not a stranger that inherited the number."""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return any(word in command for word in (b"mingcha", b"tansu", b"kafka.Kafka", b"streamlit"))


def _terminate(pid: int) -> None:
    for sign, seconds in ((signal.SIGTERM, 15.0), (signal.SIGKILL, 5.0)):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + seconds
        while _is_ours(pid) and time.monotonic() < deadline:
            time.sleep(0.05)
        if not _is_ours(pid):
            return


def _database_answers(url: str) -> bool:
    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True
