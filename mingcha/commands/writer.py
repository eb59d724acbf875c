"""`mingcha writer`: Kafka to database, exactly once, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Annotated

import typer

from mingcha.foreground import stop_signal
from mingcha.logging_setup import log_to_stderr
from mingcha.output import WRONG_USE, errors, print_json, sentences
from mingcha.settings import Settings, load_settings

log = logging.getLogger("mingcha.writer")


def command(
    partitions: Annotated[
        str, typer.Option(help="the partitions to own, such as 0-3 or 0,2,5; all when not given")
    ] = "",
    until_drained: Annotated[
        bool, typer.Option("--until-drained", help="end once everything in the topics is stored")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="how many items as one JSON line on stdout")] = False,
) -> None:
    """Write what devices and imports sent; /livez, /readyz and /metrics on `metrics_port`."""
    try:
        wanted = read_partitions(partitions)
    except ValueError as error:
        errors.print(f"mingcha: {error}", style="red", highlight=False)
        raise typer.Exit(WRONG_USE) from error
    with sentences():
        settings = load_settings()
        log_to_stderr()
        items = asyncio.run(_write(settings, wanted, until_drained))
        if json_:
            print_json({"items": items})


def read_partitions(text: str) -> tuple[int, ...] | None:
    """`0-3,7` as numbers, None for an empty text. Raises ValueError with the part that is none."""
    if not text:
        return None
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()):
            raise ValueError(f"{part!r} is no partition; write --partitions 0-3 or 0,2,5")
        found.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(found))


async def _write(settings: Settings, partitions: tuple[int, ...] | None, until_drained: bool) -> int:
    from ingest.health import health_port
    from ingest.writer import Writer, WriterSettings

    stop = threading.Event()
    told = stop_signal()
    writer = Writer(
        WriterSettings(settings.require_database_url(), settings.require_kafka(), partitions, until_drained),
        stop,
    )
    async with health_port(lambda: writer.missing, settings.host, settings.metrics_port):
        running = asyncio.create_task(asyncio.to_thread(writer.run))
        waiting = asyncio.create_task(told.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        stop.set()
        waiting.cancel()
        items = await running
    log.info("writer_stopped", extra={"items": items})
    return items
