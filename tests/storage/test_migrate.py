"""Migrations on a real server."""

from __future__ import annotations

import threading
from pathlib import Path

import psycopg
import pytest

from domain.standards import factors
from storage.connection import connect
from storage.errors import DatabaseUnreachable, MigrationError
from storage.migrate import MIGRATIONS, Flavour, migrate, read_migrations, status

TABLES = {
    "site",
    "outlet",
    "device",
    "factor",
    "reading",
    "power",
    "passage",
    "frame",
    "raw_record",
    "finding",
}


def test_an_empty_database_gets_every_file_once(empty_database: str) -> None:
    heard: list[str] = []
    applied = migrate(empty_database, heard.append)
    assert applied == heard
    assert [name[:3] for name in applied] == sorted({m.name[:3] for m in read_migrations()})
    assert migrate(empty_database) == []
    with connect(empty_database, application_name="test") as connection:
        rows = connection.execute("SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')").fetchall()
        assert {name for (name,) in rows} >= TABLES


def test_every_factor_of_the_data_file_has_its_key(empty_database: str) -> None:
    migrate(empty_database)
    with connect(empty_database, application_name="test") as connection:
        stored: dict[str, int] = dict(connection.execute("SELECT code, factor_key FROM factor").fetchall())
    assert stored == {f.code: f.key for f in factors().values()}


def test_a_code_met_in_the_field_keeps_its_key_when_it_gets_a_name(empty_database: str) -> None:
    migrate(empty_database)
    code = next(iter(factors()))
    with connect(empty_database, application_name="test") as connection:
        connection.execute("UPDATE factor SET factor_key = 1000 WHERE code = %s", (code,))
        connection.commit()
        migrate(connection)
        row = connection.execute("SELECT factor_key FROM factor WHERE code = %s", (code,)).fetchone()
    assert row == (1000,)


def test_a_factor_key_used_for_another_code_stops_with_a_sentence(empty_database: str) -> None:
    migrate(empty_database)
    code = next(iter(factors()))
    with connect(empty_database, application_name="test", autocommit=True) as connection:
        connection.execute("UPDATE factor SET code = 'xx9999' WHERE code = %s", (code,))
        with pytest.raises(MigrationError, match="belongs to another code"):
            migrate(connection)


def _write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.sql").write_text(text)
    return directory


def test_a_changed_applied_file_stops_with_a_sentence(empty_database: str, tmp_path: Path) -> None:
    directory = _write(tmp_path, **{"001_a": "CREATE TABLE a (x int);"})
    assert migrate(empty_database, directory=directory) == ["001_a.sql"]
    _write(directory, **{"001_a": "CREATE TABLE a (x bigint);"})
    with pytest.raises(MigrationError, match=r"001_a.sql was changed after it was applied"):
        migrate(empty_database, directory=directory)


def test_a_database_of_a_newer_version_is_left_alone(empty_database: str, tmp_path: Path) -> None:
    directory = _write(tmp_path, **{"001_a": "CREATE TABLE a (x int);", "002_b": "CREATE TABLE b (x int);"})
    migrate(empty_database, directory=directory)
    (directory / "002_b.sql").unlink()
    with pytest.raises(MigrationError, match="use a newer mingcha"):
        migrate(empty_database, directory=directory)


def test_a_failing_file_leaves_nothing_behind_and_the_ones_before_stay(
    empty_database: str, tmp_path: Path
) -> None:
    directory = _write(
        tmp_path,
        **{"001_a": "CREATE TABLE a (x int);", "002_b": "CREATE TABLE b (x int); SELECT nonsense;"},
    )
    with pytest.raises(MigrationError, match=r"002_b.sql: column .nonsense. does not exist"):
        migrate(empty_database, directory=directory)
    with connect(empty_database, application_name="test") as connection:
        assert status(connection, directory=directory).pending == ("002_b.sql",)
        assert connection.execute("SELECT to_regclass('b')").fetchone() == (None,)


def test_a_file_marked_no_transaction_may_build_an_index_beside_traffic(
    empty_database: str, tmp_path: Path
) -> None:
    directory = _write(
        tmp_path,
        **{
            "001_a": "CREATE TABLE a (x int);",
            "002_b": "-- no-transaction\nCREATE INDEX CONCURRENTLY IF NOT EXISTS one ON a (x);\n"
            "CREATE INDEX CONCURRENTLY IF NOT EXISTS two\n    ON a (x DESC);\n",
        },
    )
    assert migrate(empty_database, directory=directory) == ["001_a.sql", "002_b.sql"]
    with connect(empty_database, application_name="test") as connection:
        assert connection.execute("SELECT to_regclass('two') IS NOT NULL").fetchone() == (True,)


@pytest.mark.parametrize("name", ["1_a", "001-a", "001_a.oracle"])
def test_a_file_with_a_strange_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(MigrationError, match="name it NNN_word"):
        read_migrations(_write(tmp_path, **{name: ""}))


def test_a_number_used_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MigrationError, match="001 is used twice"):
        read_migrations(_write(tmp_path, **{"001_a": "", "001_b.plain": ""}))


def test_both_forms_of_a_step_exist() -> None:
    migrations = read_migrations(MIGRATIONS)
    plain = {m.number for m in migrations if m.flavour is Flavour.PLAIN}
    assert plain == {m.number for m in migrations if m.flavour is Flavour.TIMESCALE}


def test_two_migrations_at_once_wait_for_each_other(empty_database: str) -> None:
    results: list[list[str]] = []
    threads = [threading.Thread(target=lambda: results.append(migrate(empty_database))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    with connect(empty_database, application_name="test") as connection:
        assert sorted(len(r) for r in results) == [0, len(status(connection).applied)]


def test_a_migration_inside_a_transaction_is_refused(empty_database: str) -> None:
    with connect(empty_database, application_name="test") as connection:
        connection.execute("SELECT 1")
        with pytest.raises(MigrationError, match="not inside a transaction"):
            migrate(connection)


def test_an_unreachable_server_is_a_sentence_without_the_password() -> None:
    with pytest.raises(DatabaseUnreachable) as caught:
        connect("postgresql://officer:s3cret@127.0.0.1:1/mingcha", application_name="test")
    assert "127.0.0.1:1/mingcha" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(DatabaseUnreachable) as caught:
        connect("postgresql://officer:s3cret@:::", application_name="test")
    assert "s3cret" not in str(caught.value)


def test_sessions_speak_utc(empty_database: str) -> None:
    with connect(empty_database, application_name="test") as connection:
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert connection.execute("SHOW timezone").fetchone() == ("UTC",)
