"""A console as `mingcha console` starts it, on a small city, and Debian's Chromium."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from mingcha.stack.ports import free_port
from tests.ui import city

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
]  # fmt: skip


@dataclass(frozen=True)
class Console:
    url: str
    log: Path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Of one module: Playwright keeps an event loop running in this thread, in the way of asyncio.run."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def console(database: str, tmp_path: Path) -> Iterator[Console]:
    city.build(database, datetime.now(UTC) - timedelta(hours=5))
    port, log = free_port(), tmp_path / "console.log"
    environment = {
        **os.environ,
        "MINGCHA_DATABASE_URL": database,
        "MINGCHA_CONSOLE_PORT": str(port),
        "MINGCHA_CONFIG": str(tmp_path / "absent.toml"),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "mingcha", "console"],
            env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        _wait_until_healthy(port, process, log)
        yield Console(f"http://127.0.0.1:{port}", log)
    finally:
        # the command and its Streamlit share a session of their own
        os.killpg(process.pid, 15)
        process.wait(timeout=30)


def _wait_until_healthy(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"the console did not start:\n{log.read_text(errors='replace')[-2000:]}")
