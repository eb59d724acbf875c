"""`mingcha ledger check`: is everything that was sent in the database, once?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mingcha.output import TROUBLE, console, print_json, print_table, sentences
from mingcha.settings import load_settings

if TYPE_CHECKING:
    from ingest.ledger import SentItem

app = typer.Typer(no_args_is_help=True, help="Is everything that was sent in the database, once?")

_SHOWN = 20


@app.callback()
def _group() -> None:
    """Is everything that was sent in the database, once?"""


@app.command()
def check(
    journal: Annotated[
        list[Path] | None, typer.Option(help="a sender's journal; may be given several times")
    ] = None,
    json_: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Exit code 1 when something does not add up; the first such thing is named first."""
    from ingest.ledger import check_ledger
    from storage.connection import connect

    with sentences():
        settings = load_settings()
        sent = sent_items(journal or [])
        with connect(settings.require_database_url(), application_name="mingcha ledger") as connection:
            connection.rollback()
            report = check_ledger(connection, sent)
    if json_:
        print_json(
            {
                "adds_up": report.adds_up, "items": report.items, "acknowledged": report.acknowledged,
                "found": report.found, "problems": report.problems, "subjects": report.subjects,
            }
        )  # fmt: skip
    else:
        if report.subjects:
            print_table(
                "sent = stored + duplicate + conflict + dead letter + not arrived",
                ["sender", "sent", "stored", "duplicate", "conflict", "dead letter", "not arrived"],
                [
                    (s.subject, s.sent, s.stored, s.duplicate, s.conflict, s.dead_letter, s.not_arrived)
                    for s in report.subjects
                ],
            )
        for problem in report.problems[:_SHOWN]:
            console.print(f"[red]✗[/red] {problem}", highlight=False, soft_wrap=True)
        if len(report.problems) > _SHOWN:
            console.print(f"… and {len(report.problems) - _SHOWN} more")
        if report.adds_up:
            journals = f"; {report.acknowledged} acknowledged items of {report.items} sent are there once"
            console.print(
                f"[green]✓[/green] the database adds up{journals if journal else ''}", highlight=False
            )
    if not report.adds_up:
        raise typer.Exit(TROUBLE)


def sent_items(journals: list[Path]) -> list[SentItem]:
    """The items of these journals, the attempts of one together. Raises JournalError, MingchaError."""
    from domain.clock import from_microseconds
    from domain.errors import MingchaError
    from ingest.ledger import SentItem
    from simulators.journal import Entry, Event, read_journal

    first: dict[tuple[str, str], Entry] = {}
    attempts: dict[tuple[str, str], int] = {}
    answered: set[tuple[str, str]] = set()
    for path in journals:
        if not path.is_file():
            raise MingchaError(f"there is no journal {path}")
        for entry in read_journal(path):
            item = (entry.stream, entry.sha256)
            first.setdefault(item, entry)
            if entry.event is Event.SENT:
                attempts[item] = attempts.get(item, 0) + 1
            elif entry.event is Event.ANSWERED:
                answered.add(item)
    return [
        SentItem(
            stream=entry.stream,
            subject=entry.subject,
            sha256=entry.sha256,
            attempts=attempts.get(item, 0),
            acknowledged=item in answered,
            cn=entry.cn,
            data_time=None if entry.data_time_us is None else from_microseconds(entry.data_time_us),
            part=entry.part,
        )
        for item, entry in first.items()
    ]
