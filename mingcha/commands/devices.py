"""`mingcha devices`: who sends, and letting a new one in."""

from __future__ import annotations

from typing import Annotated

import typer

from domain.registry import OutletId
from mingcha.output import console, print_json, print_table, sentences
from mingcha.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Who sends, and letting a new one in.")

JSON = Annotated[bool, typer.Option("--json")]


@app.command("list")
def list_(
    pending: Annotated[bool, typer.Option("--pending", help="only those that wait for approval")] = False,
    json_: JSON = False,
) -> None:
    """Devices by MN; passwords and keys are not shown."""
    from storage.connection import connect
    from storage.registry import load_devices

    with (
        sentences(),
        connect(load_settings().require_database_url(), application_name="mingcha devices") as connection,
    ):
        devices = [d for d in load_devices(connection) if not pending or d.state == "pending"]
    columns = ["mn", "state", "outlet_id", "site_id", "edition"]
    if json_:
        for device in devices:
            print_json({name: getattr(device, name) for name in columns})
    else:
        print_table("Devices", columns, [[getattr(d, name) for name in columns] for d in devices])


@app.command()
def approve(mn: str, outlet_id: str, json_: JSON = False) -> None:
    """Let a device speak for an outlet; frames kept of it until now count too."""
    from ingest.devices import approve as let_in
    from storage.connection import connect

    with (
        sentences(),
        connect(
            load_settings().require_database_url(), application_name="mingcha devices", autocommit=True
        ) as connection,
    ):
        added = let_in(connection, mn, OutletId(outlet_id))
    if json_:
        print_json({"mn": mn, "outlet_id": outlet_id, "readings": added})
    else:
        console.print(f"{mn} speaks for {outlet_id}; its kept frames brought {added} readings")
