"""`mingcha gateway` and `mingcha receiver` as processes: JSON logs without secrets, a clean end."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from ingest.hj212 import read_head
from mingcha.stack.ports import free_port, is_open
from tests.ingest.doors import frame

pytestmark = pytest.mark.stack


def start(command: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "mingcha", command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def until_open(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + 30
    while not is_open(port):
        assert process.poll() is None, process.stderr and process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
        return text


def test_the_gateway_answers_a_device_tells_its_health_and_ends_cleanly(kafka: str, database: str) -> None:
    port, metrics_port = free_port(), free_port()
    gateway = start(
        "gateway",
        {
            "MINGCHA_KAFKA": kafka,
            "MINGCHA_DATABASE_URL": database,
            "MINGCHA_GATEWAY_PORT": str(port),
            "MINGCHA_METRICS_PORT": str(metrics_port),
        },
    )
    try:
        until_open(gateway, metrics_port)
        with socket.create_connection(("127.0.0.1", port), 10) as device:
            device.sendall(frame("COMMAND0000001", pw="SECRET"))
            assert read_head(device.recv(4096)).cn == "9014"
            assert get(f"http://127.0.0.1:{metrics_port}/readyz") == "ok\n"
            assert 'hj212_frames_total{result="quarantined"} 1.0' in get(
                f"http://127.0.0.1:{metrics_port}/metrics"
            )
            gateway.send_signal(signal.SIGTERM)
            output, log = gateway.communicate(timeout=20)
    finally:
        gateway.kill()
    events = [json.loads(line)["event"] for line in log.decode().splitlines()]
    assert gateway.returncode == 0
    assert output == b""
    assert events[0] == "gateway_listening"
    assert events[-1] == "gateway_stopped"
    assert b"SECRET" not in log


def test_the_receiver_tells_its_health_and_ends_cleanly(kafka: str, database: str) -> None:
    port = free_port()
    receiver = start(
        "receiver",
        {"MINGCHA_KAFKA": kafka, "MINGCHA_DATABASE_URL": database, "MINGCHA_RECEIVER_PORT": str(port)},
    )
    try:
        until_open(receiver, port)
        assert get(f"http://127.0.0.1:{port}/livez") == "ok\n"
        receiver.send_signal(signal.SIGTERM)
        _, log = receiver.communicate(timeout=20)
    finally:
        receiver.kill()
    assert receiver.returncode == 0
    assert json.loads(log.decode().splitlines()[-1])["event"] == "receiver_stopped"


def test_a_taken_port_is_one_sentence(kafka: str, database: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        gateway = start(
            "gateway",
            {"MINGCHA_KAFKA": kafka, "MINGCHA_DATABASE_URL": database, "MINGCHA_GATEWAY_PORT": str(port)},
        )
        _, log = gateway.communicate(timeout=30)

    assert gateway.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in log.decode().replace("\n", " ")
