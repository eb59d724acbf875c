"""`mingcha dead-letters`: what was refused and why, its bytes, and sending it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from domain.clock import in_shanghai
from mingcha.output import TROUBLE, console, errors, print_json, print_table, sentences
from mingcha.settings import load_settings

if TYPE_CHECKING:
    from storage.intake.dead_letters import DeadLetter

app = typer.Typer(no_args_is_help=True, help="What was refused and why.")

State = Literal["new", "replayed", "dropped"]
JSON = Annotated[bool, typer.Option("--json")]


@app.command("list")
def list_(
    state: Annotated[State | None, typer.Option(help="only this state")] = None,
    reason: Annotated[str | None, typer.Option(help="only this reason")] = None,
    subject: Annotated[str | None, typer.Option(help="only this MN, outlet, meter or gate")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 50,
    json_: JSON = False,
) -> None:
    """The newest dead letters."""
    from storage.connection import connect
    from storage.intake.dead_letters import find_dead_letters

    with (
        sentences(),
        connect(
            load_settings().require_database_url(), application_name="mingcha dead-letters"
        ) as connection,
    ):
        letters = find_dead_letters(connection, state=state, reason=reason, subject=subject, limit=limit)
    if json_:
        for letter in letters:
            print_json({k: v for k, v in _fields(letter).items() if k != "body"})
        return
    print_table(
        "Dead letters",
        ["id", "received", "subject", "stage", "reason", "detail", "state"],
        [
            (
                letter.dead_letter_id, f"{in_shanghai(letter.received_at):%Y-%m-%d %H:%M:%S}", letter.subject,
                letter.stage, letter.reason, letter.detail[:60], letter.state,
            )
            for letter in letters
        ],
    )  # fmt: skip


@app.command()
def show(dead_letter_id: int, json_: JSON = False) -> None:
    """One dead letter with its bytes."""
    from storage.connection import connect
    from storage.intake.dead_letters import find_dead_letters

    with (
        sentences(),
        connect(
            load_settings().require_database_url(), application_name="mingcha dead-letters"
        ) as connection,
    ):
        letters = find_dead_letters(connection, ids=[dead_letter_id])
    if not letters:
        errors.print(f"mingcha: there is no dead letter {dead_letter_id}", style="red", highlight=False)
        raise typer.Exit(TROUBLE)
    fields = _fields(letters[0])
    if json_:
        print_json(fields)
    else:
        for name, value in fields.items():
            console.print(f"{name}: {value}", highlight=False, markup=False)


@app.command()
def replay(
    dead_letter_id: Annotated[list[int] | None, typer.Argument(help="ids")] = None,
    reason: Annotated[str | None, typer.Option(help="all new ones with this reason")] = None,
    all_: Annotated[bool, typer.Option("--all", help="all new ones")] = False,
    json_: JSON = False,
) -> None:
    """Put the original bytes back on their topic; the writer judges them anew."""
    from ingest.dead_letters import replay as send_again
    from storage.connection import connect
    from storage.intake.dead_letters import find_dead_letters

    if not (dead_letter_id or reason or all_):
        raise typer.BadParameter("name ids, --reason or --all")
    with sentences():
        settings = load_settings()
        with connect(
            settings.require_database_url(), application_name="mingcha dead-letters", autocommit=True
        ) as connection:
            letters = find_dead_letters(connection, ids=dead_letter_id, reason=reason, state="new")
            # oldest first, as they came
            sent = send_again(connection, settings.require_kafka(), letters[::-1])
    if json_:
        print_json({"replayed": sent})
    else:
        console.print(f"{sent} dead letters are on their way again")


def _fields(letter: DeadLetter) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(letter)
