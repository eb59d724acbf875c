"""`mingcha people`, `case` and `audit` as an operator calls them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import psycopg
import pytest
from typer.testing import CliRunner

from enforcement.people import sign_in
from mingcha.commands import audit, case, people
from storage.connection import connect
from tests.ui import city

NOW = datetime(2026, 8, 21, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _here(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINGCHA_DATABASE_URL", database)


def test_an_account_made_on_the_command_line_signs_in(database: str) -> None:
    made = CliRunner().invoke(
        people.app,
        ["add", "wang", "--name", "王", "--role", "officer", "--region", "4210", "--json"],
        input="long-enough\n",
    )
    assert made.exit_code == 0, made.output
    assert json.loads(made.stdout)["regions"] == ["4210"]
    with connect(database, application_name="mingcha tests", autocommit=True) as connection:
        assert sign_in(connection, "wang", "long-enough", NOW).regions == ("4210",)


def test_an_account_without_regions_is_refused_with_a_sentence() -> None:
    refused = CliRunner().invoke(
        people.app, ["add", "wang", "--name", "王", "--role", "officer"], input="long-enough\n"
    )
    assert refused.exit_code == 1
    assert "region" in refused.stderr


def test_clues_are_listed_as_json(database: str) -> None:
    city.register(database, NOW)
    listed = CliRunner().invoke(case.app, ["list", "--json"])
    rows = json.loads(listed.stdout)
    assert [row["grade"] for row in rows] == ["B", "B", "C", "A"]
    assert CliRunner().invoke(case.app, ["list", "--state", "case_open", "--json"]).stdout == "[]\n"


def test_a_broken_chain_is_an_exit_code(database: str) -> None:
    city.register(database, NOW)
    whole = CliRunner().invoke(audit.app, ["verify", "--json"])
    assert whole.exit_code == 0
    assert json.loads(whole.stdout)["ok"] is True
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("ALTER TABLE audit_event DISABLE TRIGGER audit_event_append_only")
        connection.execute("UPDATE audit_event SET actor = 'x' WHERE seq = 2")
    broken = CliRunner().invoke(audit.app, ["verify", "--json"])
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["broken_at"] == 2
