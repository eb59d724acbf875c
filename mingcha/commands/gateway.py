"""`mingcha gateway`: HJ 212 devices over TCP into Kafka, in the foreground until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated

import typer

from mingcha.foreground import stop_signal, when_there
from mingcha.logging_setup import log_to_stderr
from mingcha.output import print_json, sentences
from mingcha.settings import Settings, load_settings

log = logging.getLogger("mingcha.gateway")


def command(
    json_: Annotated[bool, typer.Option("--json", help="the address as one JSON line on stdout")] = False,
) -> None:
    """Listen for devices on `gateway_port`; /livez, /readyz and /metrics on `metrics_port`."""
    with sentences():
        settings = load_settings()
        log_to_stderr()
        asyncio.run(_serve(settings, json_))


async def _serve(settings: Settings, json_: bool) -> None:
    from ingest.directory import devices_of
    from ingest.gateway import Gateway
    from ingest.health import health_port
    from ingest.producer import PackingProducer

    stopped = stop_signal()
    async with (
        when_there(lambda: PackingProducer(settings.require_kafka()), stopped) as producer,
        when_there(lambda: devices_of(settings.require_database_url()), stopped) as devices,
        Gateway(producer, devices, host=settings.host, port=settings.gateway_port) as gateway,
        health_port(gateway.missing, settings.host, settings.metrics_port),
    ):
        log.info("gateway_listening", extra={"host": settings.host, "port": gateway.port})
        if json_:
            print_json({"gateway": f"{settings.host}:{gateway.port}"})
        await stopped.wait()
        log.info("gateway_stopping")
    log.info("gateway_stopped")
