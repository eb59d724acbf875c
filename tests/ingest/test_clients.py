"""Clients of a broker that is not there."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from ingest.clients import open_client
from mingcha.stack.ports import free_port

CLIENTS = [KafkaAdminClient, KafkaConsumer, KafkaProducer]


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_that_finds_nothing_listening_says_so(kind: Any) -> None:
    with pytest.raises(KafkaError, match=r"nothing listens at 127\.0\.0\.1"):
        open_client(kind, bootstrap_servers=f"127.0.0.1:{free_port()}")
    with pytest.raises(KafkaError, match="write host:port"):
        open_client(kind, bootstrap_servers="localhost")


@pytest.mark.parametrize("kind", CLIENTS)
def test_a_client_that_gets_no_answer_leaves_no_thread(kind: Any) -> None:
    before = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(KafkaError):
        port = silent.getsockname()[1]
        open_client(kind, bootstrap_servers=f"127.0.0.1:{port}", bootstrap_timeout_ms=300)
    assert threading.active_count() == before
