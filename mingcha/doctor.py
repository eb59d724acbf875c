"""What an operator gets wrong, found before a device or an officer finds it. Each check is one function."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import psycopg
from kafka.admin import KafkaAdminClient
from kafka.errors import KafkaError

from domain.errors import MingchaError
from ingest.topics import PARTITIONS, Topic
from mingcha.settings import Settings
from mingcha.stack.local import DISK_BYTES
from mingcha.stack.ports import is_open

#: Readings are judged by their clock; more than this between us and the database is trouble.
CLOCK_SECONDS = 2.0
TIMESCALE_MINIMUM = (2, 20)


class Health(StrEnum):
    OK = "ok"
    NOTE = "note"  # works, but not as in production
    TROUBLE = "trouble"


@dataclass(frozen=True)
class Diagnosis:
    subject: str
    health: Health
    text: str  # what was seen and, unless ok, what to do


Check = Callable[[Settings], Iterator[Diagnosis]]


def examine(settings: Settings) -> list[Diagnosis]:
    """Run every check; one that itself fails is a trouble with its reason, never a crash."""
    return [diagnosis for check in CHECKS for diagnosis in check(settings)]


def _python(_: Settings) -> Iterator[Diagnosis]:
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= (3, 11)
    yield Diagnosis(
        "python", Health.OK if good else Health.TROUBLE, version if good else f"{version}; needs 3.11"
    )


def _libraries(_: Settings) -> Iterator[Diagnosis]:
    for name, why in (("crc32c", "Kafka is 5 to 30 times slower"), ("lz4", "records cannot be compressed")):
        found = importlib.util.find_spec(name) is not None
        text = "present" if found else f"missing: {why} without it; pip install 'kafka-python[crc32c,lz4]'"
        yield Diagnosis(name, Health.OK if found else Health.TROUBLE, text)


def _disk(settings: Settings) -> Iterator[Diagnosis]:
    place = settings.home.resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    good = free >= DISK_BYTES
    text = f"{free >> 30} GB free at {place}"
    yield Diagnosis("disk", Health.OK if good else Health.TROUBLE, text if good else f"{text}; make room")


def _ports(settings: Settings) -> Iterator[Diagnosis]:
    for name, port in (
        ("gateway", settings.gateway_port),
        ("receiver", settings.receiver_port),
        ("console", settings.console_port),
    ):
        text = f"port {port} {'answers' if is_open(port) else 'is free: not running here'}"
        yield Diagnosis(name, Health.OK if is_open(port) else Health.NOTE, text)


def _database(settings: Settings) -> Iterator[Diagnosis]:
    try:
        with psycopg.connect(
            settings.require_database_url(), connect_timeout=3, autocommit=True
        ) as connection:
            yield from _inside_database(connection)
    except psycopg.OperationalError as error:
        reason = str(error).strip().splitlines()[0]
        yield Diagnosis("database", Health.TROUBLE, f"{reason}; set MINGCHA_DATABASE_URL or run `mingcha up`")


def _inside_database(connection: psycopg.Connection) -> Iterator[Diagnosis]:
    row = connection.execute(
        "SELECT current_setting('server_version'), current_setting('TimeZone'), clock_timestamp(),"
        " current_setting('fsync'), current_setting('synchronous_commit')"
    ).fetchone()
    assert row is not None
    version, zone, clock, fsync, synchronous = row
    yield Diagnosis("database", Health.OK, f"PostgreSQL {version}")
    drift = abs((datetime.now(UTC) - clock).total_seconds())
    good = drift <= CLOCK_SECONDS
    text = f"{drift:.1f} s between this machine and the database"
    yield Diagnosis(
        "clock", Health.OK if good else Health.TROUBLE, text if good else f"{text}; run NTP on both"
    )
    good = zone in {"UTC", "Etc/UTC"}
    yield Diagnosis(
        "time zone", Health.OK if good else Health.NOTE, f"server default is {zone}; ours sessions set UTC"
    )
    durable = fsync == "on" and synchronous != "off"
    text = f"fsync {fsync}, synchronous_commit {synchronous}"
    yield Diagnosis(
        "durability", Health.OK if durable else Health.TROUBLE, text if durable else f"{text}; turn both on"
    )
    yield from _timescale(connection)
    yield from _migrations(connection)


def _timescale(connection: psycopg.Connection) -> Iterator[Diagnosis]:
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if row is None:
        yield Diagnosis(
            "timescaledb", Health.NOTE, "not installed: plain PostgreSQL, no columnstore or policies"
        )
        return
    good = tuple(int(part) for part in row[0].split("-")[0].split(".")[:2]) >= TIMESCALE_MINIMUM
    yield Diagnosis(
        "timescaledb", Health.OK if good else Health.TROUBLE, f"{row[0]}{'' if good else '; needs 2.20'}"
    )


def _migrations(connection: psycopg.Connection) -> Iterator[Diagnosis]:
    from storage.migrate import status

    try:
        waiting = status(connection).pending
    except MingchaError as error:
        yield Diagnosis("schema", Health.TROUBLE, str(error))
        return
    text = (
        f"{len(waiting)} migrations wait ({', '.join(waiting)}); run `mingcha db migrate`"
        if waiting
        else "current"
    )
    yield Diagnosis("schema", Health.TROUBLE if waiting else Health.OK, text)


def _kafka(settings: Settings) -> Iterator[Diagnosis]:
    where = settings.require_kafka()
    try:
        admin = KafkaAdminClient(bootstrap_servers=where, request_timeout_ms=3000, bootstrap_timeout_ms=3000)
    except KafkaError as error:
        yield Diagnosis("kafka", Health.TROUBLE, f"{where}: {error}; set MINGCHA_KAFKA or run `mingcha up`")
        return
    try:
        yield Diagnosis("kafka", Health.OK, where)
        there = {topic["name"]: topic for topic in admin.describe_topics([str(topic) for topic in Topic])}
        for topic in Topic:
            partitions = len(there.get(topic, {}).get("partitions", ()))
            if partitions == PARTITIONS:
                yield Diagnosis(topic, Health.OK, f"{partitions} partitions")
            elif partitions == 0:
                yield Diagnosis(topic, Health.NOTE, "not there yet; the gateway and the writer make it")
            else:
                text = (
                    f"{partitions} partitions, the product needs {PARTITIONS}: streams of a site would part"
                )
                yield Diagnosis(topic, Health.TROUBLE, text)
    except KafkaError as error:
        yield Diagnosis("topics", Health.TROUBLE, str(error))
    finally:
        admin.close()


def _kernels(_: Settings) -> Iterator[Diagnosis]:
    import detectors.kernels

    place = Path(detectors.kernels.__file__).parent
    probe = place / "__pycache__"
    try:
        probe.mkdir(exist_ok=True)
        (probe / ".doctor").touch()
        (probe / ".doctor").unlink()
    except OSError:
        yield Diagnosis(
            "kernel cache", Health.NOTE, f"{probe} is read-only; set NUMBA_CACHE_DIR or pay 1 s a start"
        )
        return
    yield Diagnosis("kernel cache", Health.OK, "writable")


CHECKS: tuple[Check, ...] = (_python, _libraries, _disk, _kernels, _database, _kafka, _ports)
