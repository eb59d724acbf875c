"""Our own processes on one machine: start, watch, restart, stop in order; one log file each."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mingcha.stack.errors import StackError

#: A part that dies this often within `FORGIVE_SECONDS` is not restarted again.
RESTARTS, FORGIVE_SECONDS = 3, 60.0
STOP_SECONDS = 15.0


@dataclass
class Part:
    """One process of ours: `mingcha <arguments>`."""

    name: str
    arguments: tuple[str, ...]
    log: Path
    process: subprocess.Popen[bytes]
    deaths: list[float] = field(default_factory=list)

    @property
    def pid(self) -> int:
        return self.process.pid


@dataclass
class Processes:
    """The parts in the order they were started; they are stopped in the opposite order."""

    log_directory: Path
    environment: Mapping[str, str]
    parts: dict[str, Part] = field(default_factory=dict)

    def start(self, name: str, *arguments: str) -> Part:
        """Start `mingcha <arguments>` in a session of its own, so that Ctrl-C reaches only us."""
        log = self.log_directory / f"{name}.log"
        part = Part(name, arguments, log, self._spawn(arguments, log))
        self.parts[name] = part
        return part

    def revive(self) -> list[str]:
        """Restart what died. Returns a sentence for each; raises StackError when one keeps dying."""
        sentences = []
        now = time.monotonic()
        for part in self.parts.values():
            code = part.process.poll()
            if code is None:
                continue
            part.deaths = [t for t in part.deaths if now - t < FORGIVE_SECONDS] + [now]
            if len(part.deaths) > RESTARTS:
                raise StackError(
                    f"{part.name} died {len(part.deaths)} times in a minute: {last_words(part.log)}"
                )
            part.process = self._spawn(part.arguments, part.log)
            sentences.append(f"{part.name} ended with code {code} and was restarted; its log is {part.log}")
        return sentences

    def stop(self, *names: str) -> None:
        """Stop the named parts, or all, last started first; what does not end in time is killed."""
        for part in [p for p in reversed(self.parts.values()) if not names or p.name in names]:
            stop_process(part.process)
            del self.parts[part.name]

    def _spawn(self, arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            return subprocess.Popen(
                [sys.executable, "-m", "mingcha", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                env={**os.environ, **self.environment},
            )


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, wait, SIGKILL."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def last_words(log: Path, lines: int = 3) -> str:
    """The end of a log, for the one sentence that names the cause."""
    if not log.exists():
        return "no log"
    text = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " | ".join(text[-lines:]) or f"nothing in {log}"
