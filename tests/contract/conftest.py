"""A TimescaleDB for the contract tests: that of MINGCHA_DATABASE_URL, else the WebAssembly build.

The WebAssembly build stands behind a socket that takes one connection and no COPY.
It runs no background jobs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from mingcha.stack.ports import free_port, wait_open
from storage.connection import Connection, connect
from storage.migrate import migrate

HERE = Path(__file__).parent


@pytest.fixture(scope="package")
def timescale(stack_directory: Path) -> Iterator[Connection]:
    """A connection, in autocommit, to a database with TimescaleDB and our schema."""
    outside = os.environ.get("MINGCHA_DATABASE_URL")
    urls = _outside(outside) if outside and _has_timescale(outside) else _webassembly(stack_directory)
    for url in urls:
        with connect(url, application_name="test", autocommit=True) as connection:
            migrate(connection)
            yield connection


def _has_timescale(url: str) -> bool:
    with connect(url, application_name="test") as connection:
        query = "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'"
        return connection.execute(query).fetchone() is not None


def _outside(url: str) -> Iterator[str]:
    name = sql.Identifier(f"mingcha_contract_{uuid.uuid4().hex[:12]}")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
        yield make_conninfo(url, dbname=name._obj[0])
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))


def _webassembly(stack_directory: Path) -> Iterator[str]:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        pytest.skip(
            "TimescaleDB as WebAssembly needs node and npm; install Node.js 20 or set MINGCHA_DATABASE_URL"
        )
    modules = stack_directory / "timescale"
    modules.mkdir()
    shutil.copy(HERE / "package.json", modules)
    # newer releases of the socket refuse this build of the database, older ones name another build as peer
    subprocess.run(
        [npm, "install", "--legacy-peer-deps", "--no-package-lock", "--no-audit", "--no-fund"],
        cwd=modules, check=True, capture_output=True, timeout=300,
    )  # fmt: skip
    port = free_port()
    with (modules / "server.log").open("wb") as log:
        server = subprocess.Popen(
            [node, str(HERE / "timescale_server.mjs"), str(modules), str(port)], stdout=log, stderr=log
        )
    try:
        wait_open(port, "TimescaleDB", lambda: server.poll() is None)
        yield f"postgresql://postgres:password@127.0.0.1:{port}/postgres?sslmode=disable"
    finally:
        server.terminate()
        server.wait(30)
