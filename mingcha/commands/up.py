"""`mingcha up`: the local database, broker, gateway, receiver and writer, left running."""

from __future__ import annotations

from typing import Annotated

import typer

from mingcha.output import console, print_json, sentences
from mingcha.settings import load_settings
from mingcha.stack.local import LocalStack


def command(
    broker: Annotated[
        str, typer.Option(help="memory: forgets on stop; apache: durable, needs Java 17")
    ] = "memory",
    json_: Annotated[bool, typer.Option("--json", help="one JSON line")] = False,
) -> None:
    """Start the local stack in the background; `mingcha down` stops it."""
    from storage.migrate import migrate

    with sentences():
        stack = LocalStack(load_settings(), broker)
        stack.check()
        try:
            stack.start_servers()
            migrate(stack.database_url)
            stack.start_intake()
        except BaseException:
            stack.stop()
            raise
        where = {
            "database": stack.database_url,
            "kafka": stack.kafka,
            "gateway": f"{stack.settings.host}:{stack.settings.gateway_port}",
            "receiver": f"http://{stack.settings.host}:{stack.settings.receiver_port}",
        }
        if json_:
            print_json(where)
        else:
            for name, address in where.items():
                console.print(f"{name:<10}{address}", highlight=False)
