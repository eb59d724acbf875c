"""The demo from start to Ctrl-C: servers, history, findings, live devices, console."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from types import FrameType

import psycopg
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from detectors.catalogue import load_rules
from detectors.runner import run_batch
from detectors.saving import save_run
from detectors.sources.database import DatabaseSource
from enforcement.people import create_demo_people
from enforcement.service import open_clues
from mingcha.demo.history import Sent, expected_frames, send_history
from mingcha.demo.memory import Memory, new_memory, recall
from mingcha.output import console
from mingcha.stack.errors import StackError
from mingcha.stack.local import LocalStack
from mingcha.stack.processes import last_words
from storage.connection import connect
from storage.migrate import migrate
from storage.registry import add_integrator, save_registry

INTEGRATOR = "demo"
LOOK_SECONDS = 0.5


def run_demo(stack: LocalStack, seed: int) -> None:
    """Everything, in the foreground, until SIGINT or SIGTERM. Raises StackError with one sentence."""
    stack.check(stack.settings.console_port)
    begun = time.monotonic()
    with _interruptible(), stack.held():
        _say("starting PostgreSQL and the broker")
        stack.start_servers()
        migrate(stack.database_url)
        file = stack.home / "demo.json"
        memory = recall(file)
        fresh = memory is None
        if memory is None:
            memory = new_memory(seed, datetime.now(UTC))
            _register(stack, memory)
            stack.processes.start("writer", "writer")
            _fill(stack, memory)
            memory.save(file)
        stack.start_intake()
        stack.processes.start("devices", "demo", "devices")
        if fresh:
            _detect(stack, memory)
        stack.processes.start("detector", "detect", "--live")
        stack.processes.start("console", "console")
        stack.wait_for("console", stack.settings.console_port)
        stack.remember()
        _welcome(stack, time.monotonic() - begun)
        _watch(stack)


def _register(stack: LocalStack, memory: Memory) -> None:
    city = memory.city
    with connect(stack.database_url, application_name="mingcha-demo") as connection:
        save_registry(connection, city.registry, city.devices)
        add_integrator(connection, INTEGRATOR, memory.token)
        create_demo_people(connection, datetime.now(UTC))
    outlets = len(city.registry.outlets)
    _say(
        f"registered {len(city.plants)} plants with {outlets} outlets and {len(city.registry.meters)} meters"
    )


def _fill(stack: LocalStack, memory: Memory) -> None:
    """Send history and show both ends: into Kafka, out into the database."""
    with _progress() as progress, ThreadPoolExecutor(1) as sender:
        sent_bar = progress.add_task("history → Kafka", total=expected_frames(memory))
        stored_bar = progress.add_task("Kafka → database", total=None)

        def sent(kind: str, items: int) -> None:
            if kind != "frames":
                progress.update(sent_bar, total=(progress.tasks[sent_bar].total or 0) + items)
            progress.advance(sent_bar, items)

        sending = sender.submit(lambda: asyncio.run(send_history(memory, stack.kafka, sent)))
        with psycopg.connect(stack.database_url, autocommit=True) as connection:
            while not sending.done():
                progress.update(stored_bar, completed=_stored(connection))
                _require_alive(stack)
                time.sleep(LOOK_SECONDS)
            total = _items(sending.result())
            progress.update(sent_bar, completed=total, total=total)
            progress.update(stored_bar, total=total)
            while (stored := _stored(connection)) < total:
                progress.update(stored_bar, completed=stored)
                _require_alive(stack)
                time.sleep(LOOK_SECONDS)
            progress.update(stored_bar, completed=total)
            connection.execute("ANALYZE")


def _detect(stack: LocalStack, memory: Memory) -> None:
    source = DatabaseSource(stack.database_url, memory.start, memory.live_from, known_until=memory.live_from)
    rules = load_rules()
    with _progress() as progress, ThreadPoolExecutor(2) as executor:
        bar = progress.add_task("detectors", total=len(source.sites()))
        outcomes = list(
            run_batch(source, rules, executor=executor, progress=lambda *_: progress.advance(bar))
        )
    with connect(stack.database_url, application_name="mingcha-demo", autocommit=True) as connection:
        with connection.transaction():
            saved = save_run(connection, source, outcomes, rules, "batch")
        opened = open_clues(connection, datetime.now(UTC))
    _say(f"{saved.findings} findings, merged into {opened.opened} clues")


def _welcome(stack: LocalStack, seconds: float) -> None:
    from enforcement.people import DEMO_PEOPLE

    settings = stack.settings
    console.print(f"\n[bold]明察[/bold] is ready after {seconds:.0f} s", highlight=False)
    console.print(f"  console    http://{settings.host}:{settings.console_port}", highlight=False)
    for person in DEMO_PEOPLE:
        console.print(f"             {person.name}: {person.login} / {person.password}", highlight=False)
    console.print(f"  HJ 212     {settings.host}:{settings.gateway_port} (TCP)", highlight=False)
    console.print(f"  HTTP       http://{settings.host}:{settings.receiver_port}/v1/power", highlight=False)
    console.print(f"  logs       {stack.processes.log_directory}", highlight=False)
    console.print("Ctrl-C stops everything; the data stays until `make clean-demo`.\n", highlight=False)


def _watch(stack: LocalStack) -> None:
    """Keep the parts alive until interrupted."""
    while True:
        for sentence in stack.processes.revive():
            _say(sentence)
            stack.remember()
        if (
            stack.settings.kafka is None
            and stack.broker.process is not None
            and stack.broker.process.poll() is not None
        ):
            raise StackError("the broker died; what it held in memory is gone, what was stored is kept")
        time.sleep(LOOK_SECONDS)


def _require_alive(stack: LocalStack) -> None:
    for part in stack.processes.parts.values():
        if part.process.poll() is not None:
            raise StackError(f"the {part.name} died: {last_words(part.log)}")


def _stored(connection: psycopg.Connection) -> int:
    row = connection.execute(
        "SELECT coalesce(sum(items), 0)::bigint FROM ingest_count WHERE stream <> 'frame_reading'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def _items(sent: Sent) -> int:
    return sent.frames + sent.power + sent.passages


def _say(sentence: str) -> None:
    console.print(sentence, highlight=False)


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f}/s" if task.elapsed else "")


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), _Rate(), console=console
    )


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM; the stack is stopped and the command ends with 0."""


@contextmanager
def _interruptible() -> Iterator[None]:
    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in before:
            signal.signal(number, signal.SIG_IGN)  # stopping in order must not be cut short
        _say("stopping")
        raise Interrupted

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, interrupt)
    try:
        yield
    except Interrupted:
        _say("stopped")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
