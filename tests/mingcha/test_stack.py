from __future__ import annotations

import socket
from pathlib import Path

import psycopg
import pytest

from mingcha.settings import Settings
from mingcha.stack.broker import MemoryBroker
from mingcha.stack.errors import StackError
from mingcha.stack.local import LocalStack
from mingcha.stack.ports import free_port, wait_open
from mingcha.stack.postgres import EmbeddedPostgres
from mingcha.stack.processes import Processes

pytestmark = pytest.mark.stack


def test_a_port_in_use_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(StackError, match=f"port {port} for the broker is in use.*MINGCHA_BROKER_PORT"):
            MemoryBroker(tmp_path, port).start()


def test_no_disk_is_one_clear_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mingcha.stack.local.DISK_BYTES", 1 << 60)
    with pytest.raises(StackError, match="GB free at"):
        LocalStack(Settings(home=tmp_path)).check()


def test_a_database_keeps_its_rows_over_a_crash(stack_directory: Path) -> None:
    server = EmbeddedPostgres(stack_directory / "crash", free_port())
    server.start()
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (7)")
    server.stop("immediate")
    server.start()
    with psycopg.connect(server.url) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (7,)
    server.remove()
    assert not server.directory.exists()


def test_a_part_that_dies_is_restarted_and_one_that_keeps_dying_is_named(tmp_path: Path) -> None:
    processes = Processes(tmp_path, {})
    part = processes.start("doomed", "nonsense")
    for _ in range(3):
        part.process.wait(30)
        assert "doomed ended with code 2" in processes.revive()[0]
    part.process.wait(30)
    with pytest.raises(StackError, match="doomed died 4 times in a minute"):
        processes.revive()
    processes.stop()


def test_waiting_for_a_dead_process_ends_at_once() -> None:
    with pytest.raises(StackError, match="ended before it opened port"):
        wait_open(free_port(), "it", alive=lambda: False)


def test_a_stack_left_behind_is_found_by_its_own_name_only(tmp_path: Path) -> None:
    stack = LocalStack(Settings(home=tmp_path))
    (tmp_path / "stack.json").write_text('{"broker": "memory", "pids": {"writer": 1, "gateway": 999999999}}')
    assert stack.running() == {}
