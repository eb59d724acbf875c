"""`mingcha demo`: try the whole product on one machine with one command."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from mingcha.output import sentences
from mingcha.settings import load_settings
from mingcha.stack.local import LocalStack

app = typer.Typer(invoke_without_command=True)


@app.callback()
def demo(
    context: typer.Context,
    seed: Annotated[int, typer.Option(help="which city; the first start decides")] = 20261121,
    broker: Annotated[
        str, typer.Option(help="memory: forgets on stop; apache: durable, needs Java 17")
    ] = "memory",
) -> None:
    """A city of simulated plants: history, live devices, findings, console. Ctrl-C stops everything."""
    if context.invoked_subcommand is not None:
        return
    from mingcha.demo.run import run_demo

    with sentences():
        run_demo(LocalStack(load_settings(), broker), seed)


@app.command()
def devices() -> None:
    """Only the city's live devices, against a demo that has its history; until SIGTERM."""
    from mingcha.demo.live import run_live
    from mingcha.demo.memory import recall
    from mingcha.foreground import stop_signal
    from mingcha.logging_setup import log_to_stderr
    from mingcha.stack.errors import StackError

    with sentences():
        settings = load_settings()
        memory = recall(settings.home / "demo.json")
        if memory is None:
            raise StackError(f"no demo in {settings.home}; `mingcha demo` makes one")
        log_to_stderr()

        async def run() -> None:
            await run_live(
                memory,
                settings.host,
                settings.gateway_port,
                settings.receiver_port,
                settings.home,
                stop_signal(),
            )

        asyncio.run(run())
