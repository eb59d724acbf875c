"""`mingcha db` as people and programs call it."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from mingcha.commands.db import app


@pytest.fixture
def run() -> CliRunner:
    return CliRunner()


def test_migrate_then_status_then_retention(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, run: CliRunner
) -> None:
    monkeypatch.setenv("MINGCHA_DATABASE_URL", empty_database)
    before = run.invoke(app, ["status", "--json"])
    assert before.exit_code == 1
    pending = json.loads(before.output)["pending"]
    assert json.loads(run.invoke(app, ["migrate", "--json"]).output) == {"applied": pending}
    after = run.invoke(app, ["status"])
    assert after.exit_code == 0
    assert "001_registry.sql" in after.output
    dropped = json.loads(run.invoke(app, ["retention", "--json"]).output)
    assert {d["relation"] for d in dropped} >= {"reading", "passage"}


def test_a_database_that_is_not_there_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, run: CliRunner
) -> None:
    monkeypatch.setenv("MINGCHA_DATABASE_URL", "postgresql://u:s3cret@127.0.0.1:1/x")
    result = run.invoke(app, ["migrate"])
    assert result.exit_code == 1
    assert "no connection to PostgreSQL at 127.0.0.1:1/x" in " ".join(result.output.split())
    assert "s3cret" not in result.output
