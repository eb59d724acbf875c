"""Real parts for the whole suite: PostgreSQL and a broker, started once or named by the environment."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
from psycopg import sql

from mingcha.stack.broker import MemoryBroker
from mingcha.stack.ports import free_port
from mingcha.stack.postgres import EmbeddedPostgres
from storage.migrate import Flavour, migrate, status

# a test is never timed: a cold kernel or a busy machine is no failure
hypothesis.settings.register_profile("mingcha", deadline=None)
hypothesis.settings.load_profile("mingcha")

#: Field frames and real data sets live outside the project; tests that need them skip where they are absent.
SHARED = Path(os.environ.get("MINGCHA_SHARED", Path(__file__).resolve().parents[2] / "shared"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fault-seeds", type=int, default=4, help="seeds of the kill -9 test (tests/fault)")


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python reads its message schemas by a call that Python 3.11 deprecated and 3.13 brought back
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    # and leaves the sockets of refused connections to the garbage collector
    config.addinivalue_line(
        "filterwarnings", "ignore:unclosed <socket.socket .*laddr=.'0.0.0.0':ResourceWarning"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first: what needs a browser, Kafka, Node or patience comes after everything else."""
    late = ("slow", "timescale", "browser", "apache")
    items.sort(
        key=lambda item: max(
            (late.index(m.name) + 1 for m in item.iter_markers() if m.name in late), default=0
        )
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"no shared data at {SHARED}; set MINGCHA_SHARED")
    return SHARED


@pytest.fixture(scope="session")
def stack_directory() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="mingcha-test-"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url(stack_directory: Path) -> Iterator[str]:
    """A server to make databases on: MINGCHA_DATABASE_URL or an embedded one."""
    outside = os.environ.get("MINGCHA_DATABASE_URL")
    if outside:
        yield outside
        return
    server = EmbeddedPostgres(stack_directory / "postgres", free_port())
    server.start()
    yield server.url
    server.remove()


@pytest.fixture
def empty_database(postgres_url: str) -> Iterator[str]:
    """URL of a new database without our tables, dropped afterwards."""
    yield from _new_database(postgres_url)


@pytest.fixture(scope="session")
def template_database(postgres_url: str) -> Iterator[str | None]:
    """Name of a migrated database to copy, None where TimescaleDB runs: its workers forbid the copying."""
    for url in _new_database(postgres_url):
        migrate(url)
        with psycopg.connect(url, autocommit=True) as connection:
            plain = status(connection).flavour is Flavour.PLAIN
        yield str(psycopg.conninfo.conninfo_to_dict(url)["dbname"]) if plain else None


@pytest.fixture
def database(postgres_url: str, template_database: str | None) -> Iterator[str]:
    """URL of a new database with our schema and factors, dropped afterwards."""
    for url in _new_database(postgres_url, template_database):
        if template_database is None:
            migrate(url)
        yield url


@pytest.fixture(scope="session")
def kafka(stack_directory: Path) -> Iterator[str]:
    """Bootstrap servers: MINGCHA_KAFKA or an in-memory broker."""
    outside = os.environ.get("MINGCHA_KAFKA")
    if outside:
        yield outside
        return
    broker = MemoryBroker(stack_directory / "broker", free_port())
    broker.start()
    yield broker.bootstrap
    broker.stop()


def _new_database(server_url: str, template: str | None = None) -> Iterator[str]:
    name = f"mingcha_test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template or "template1")))
    yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
