"""`mingcha import BUNDLE`: a directory of tables through Kafka into the database."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from mingcha.output import console, print_json, sentences
from mingcha.settings import load_settings


def command(
    bundle: Annotated[Path, typer.Argument(help="a directory of CSV or Parquet tables")],
    wait: Annotated[bool, typer.Option(help="return only once a writer has stored everything")] = True,
    json_: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Import sites and their readings, power and passages; what is there already is only counted."""
    from domain.bundle import read_bundle
    from ingest.importer import import_bundle, wait_until_stored
    from storage.connection import connect

    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        console=console, disable=json_ or not console.is_terminal,
    )  # fmt: skip
    with sentences(), bar:
        settings = load_settings()
        tasks = {name: bar.add_task(name, total=None) for name in ("readings", "power", "passages")}

        def sent(table: str, rows: int, total: int) -> None:
            bar.update(tasks[table], completed=rows, total=total)

        tables = read_bundle(bundle)
        for name in tasks.keys() - tables.streams().keys():
            bar.update(tasks[name], visible=False)
        with connect(
            settings.require_database_url(), application_name="mingcha import", autocommit=True
        ) as connection:
            report = import_bundle(tables, connection, settings.require_kafka(), progress=sent)
            fate = None
            if wait:
                storing = bar.add_task("stored", total=None)
                fate = wait_until_stored(
                    report, connection, settings.require_kafka(),
                    progress=lambda done, total: bar.update(storing, completed=done, total=total),
                )  # fmt: skip
    if json_:
        print_json(
            {
                "rows": dict(report.rows), "kept_readings": report.kept_readings, "seconds": report.seconds,
                "stored": fate is not None,
                "conflicts": None if fate is None else fate.conflicts,
                "dead_letters": None if fate is None else dict(fate.dead_letters),
            }
        )  # fmt: skip
        return
    rows = ", ".join(f"{number} {name}" for name, number in report.rows.items()) or "no rows"
    console.print(f"sent {rows} in {report.seconds:.1f} s", highlight=False)
    if fate is not None and (fate.conflicts or fate.dead_letters):
        reasons = ", ".join(f"{n} {reason}" for reason, n in sorted(fate.dead_letters.items())) or "none"
        console.print(f"conflicts: {fate.conflicts}; dead letters: {reasons}", highlight=False)
