"""`mingcha receiver`: power and passages over HTTP into Kafka, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from mingcha.foreground import stop_signal, when_there
from mingcha.logging_setup import log_to_stderr
from mingcha.output import print_json, sentences
from mingcha.settings import Settings, load_settings

log = logging.getLogger("mingcha.receiver")


def command(
    json_: Annotated[bool, typer.Option("--json", help="the address as one JSON line on stdout")] = False,
) -> None:
    """Listen for NDJSON on `receiver_port`; /livez, /readyz and /metrics on the same port."""
    with sentences():
        settings = load_settings()
        log_to_stderr()
        asyncio.run(_serve(settings, json_))


async def _serve(settings: Settings, json_: bool) -> None:
    from ingest.directory import gates_of, meters_of
    from ingest.health import serving
    from ingest.producer import PackingProducer
    from ingest.receiver import Receiver
    from storage.connection import connect
    from storage.registry import integrator_of

    database_url = settings.require_database_url()

    def owner(token: str) -> str | None:
        with connect(database_url, application_name="mingcha receiver") as connection:
            return integrator_of(connection, token)

    stopped = stop_signal()
    async with (
        when_there(lambda: PackingProducer(settings.require_kafka()), stopped) as producer,
        when_there(lambda: meters_of(database_url), stopped) as meters,
        when_there(lambda: gates_of(database_url), stopped) as gates,
        serving(
            Receiver(producer, meters, gates, owner).app(), settings.host, settings.receiver_port
        ) as port,
    ):
        log.info("receiver_listening", extra={"host": settings.host, "port": port})
        if json_:
            print_json({"receiver": f"http://{settings.host}:{port}"})
        await stopped.wait()
        log.info("receiver_stopping")
    log.info("receiver_stopped")
