"""The whole intake as real processes: broker, gateway, receiver, writer, on free ports."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mingcha.settings import Settings
from mingcha.stack.broker import MemoryBroker
from mingcha.stack.local import LocalStack
from mingcha.stack.ports import free_port


@pytest.fixture
def intake(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalStack]:
    """A running intake into a fresh database; its broker is its own, so offsets start at 0."""
    with tempfile.TemporaryDirectory() as home:
        broker = MemoryBroker(Path(home), free_port())
        broker.start()
        ports = {name: free_port() for name in ("gateway_port", "receiver_port")}
        for name, port in ports.items():
            monkeypatch.setenv(f"MINGCHA_{name.upper()}", str(port))
        monkeypatch.delenv("MINGCHA_DATABASE_URL", raising=False)
        monkeypatch.delenv("MINGCHA_KAFKA", raising=False)
        settings = Settings.model_validate(
            {"home": Path(home), "database_url": database, "kafka": broker.bootstrap, **ports}
        )
        stack = LocalStack(settings)
        stack.start_intake()
        yield stack
        stack.stop()
        broker.stop()
