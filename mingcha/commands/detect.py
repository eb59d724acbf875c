"""`mingcha detect`: the detectors on a bundle or on the database, once or on each closed hour."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from detectors.catalogue import load_rules
from detectors.live import close_hour, period_until
from detectors.ranking import rank
from detectors.rule import Rule
from detectors.runner import RuleFailure, SiteOutcome, run_batch
from detectors.saving import save_run
from detectors.sources import WindowSource
from detectors.sources.bundle import open_bundle
from detectors.sources.database import APPLICATION, DatabaseSource
from detectors.tables import (
    abstentions_frame,
    capture_rates_frame,
    findings_frame,
    ranking_frame,
    write_tables,
)
from domain.clock import as_utc, floor_hour, in_shanghai
from domain.findings import RankedOutlet
from enforcement.service import open_clues
from mingcha.output import TROUBLE, WRONG_USE, console, errors, print_json, print_table, sentences
from mingcha.settings import load_settings
from storage.connection import connect
from storage.series import latest_event_time

POLL_SECONDS = 5.0


def command(
    input: Annotated[Path | None, typer.Option(help="a bundle: a directory of CSV or Parquet tables")] = None,
    output: Annotated[Path | None, typer.Option(help="where the result tables go (with --input)")] = None,
    start: Annotated[str | None, typer.Option(help="first instant, Asia/Shanghai: 2026-07-01")] = None,
    end: Annotated[str | None, typer.Option(help="first instant after the period")] = None,
    rules: Annotated[list[str] | None, typer.Option(help="only these rules, by id; may be repeated")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="judge each hour of the database as it closes")
    ] = False,
    threads: Annotated[int, typer.Option(min=1, help="sites judged at once")] = min(4, os.cpu_count() or 1),
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Run the rules; exit code 1 when a rule failed on a site."""
    chosen = [name for text in rules for name in text.split(",") if name] if rules else None
    with sentences():
        battery = load_rules(chosen)
        period = (_instant(start, "--start"), _instant(end, "--end"))
        if input is not None:
            if output is None or live:
                raise _wrong_use("--input needs --output DIR, and does not go with --live")
            _on_bundle(input, output, period, battery, threads, json)
            return
        if output is not None:
            raise _wrong_use("--output goes with --input; on the database findings are stored there")
        url = load_settings().require_database_url()
        if live:
            if any(period):
                raise _wrong_use("--live judges what closes; leave out --start and --end")
            _live(url, battery, threads, json)
        else:
            _on_database(url, period, battery, threads, json)


def _on_bundle(
    directory: Path,
    output: Path,
    period: tuple[datetime | None, datetime | None],
    rules: Sequence[Rule],
    threads: int,
    json: bool,
) -> None:
    source = open_bundle(directory, *period)
    outcomes = judge(source, rules, threads, quiet=json)
    findings = [f for o in outcomes for f in o.outcome.findings]
    ranked = rank(source.registry, findings, [rule.entry for rule in rules])
    tables = {
        "findings": findings_frame(findings),
        "ranking": ranking_frame(ranked),
        "capture_rates": capture_rates_frame([c for o in outcomes for c in o.outcome.capture_rates]),
        "abstentions": abstentions_frame([(o.site_id, a) for o in outcomes for a in o.outcome.abstentions]),
    }
    write_tables(output, tables)
    report(
        outcomes,
        ranked,
        json,
        output=str(output),
        start=in_shanghai(source.start),
        end=in_shanghai(source.end),
    )


def _on_database(
    url: str, period: tuple[datetime | None, datetime | None], rules: Sequence[Rule], threads: int, json: bool
) -> None:
    with connect(url, application_name=APPLICATION, autocommit=True) as connection:
        latest = latest_event_time(connection)
        until = min(filter(None, (latest, datetime.now(UTC))))
        end = period[1] or floor_hour(until) + timedelta(hours=1)
        source = DatabaseSource(url, period[0] or period_until(end)[0], end, known_until=min(until, end))
        outcomes = judge(source, rules, threads, quiet=json)
        with connection.transaction():
            saved = save_run(connection, source, outcomes, rules, "batch")
        clues = open_clues(connection, datetime.now(UTC))
    report(
        outcomes,
        saved.ranking,
        json,
        new=saved.new,
        withdrawn=saved.withdrawn,
        clues_opened=clues.opened,
        start=in_shanghai(source.start),
        end=in_shanghai(source.end),
    )


def _live(url: str, rules: Sequence[Rule], threads: int, json: bool) -> None:
    """Judge each hour as it closes, until interrupted; one line per hour."""
    judged_until: datetime | None = None
    with ThreadPoolExecutor(threads) as executor:
        while True:
            closed = close_hour(url, rules, executor, judged_until)
            if closed is None:
                time.sleep(POLL_SECONDS)
                continue
            judged_until = closed.end
            with connect(url, application_name=APPLICATION, autocommit=True) as connection:
                clues = open_clues(connection, datetime.now(UTC))
            failures = [f for o in closed.outcomes for f in o.failures]
            facts = {
                "until": in_shanghai(closed.end),
                "sites": len(closed.outcomes),
                "findings": closed.saved.findings,
                "new": closed.saved.new,
                "withdrawn": closed.saved.withdrawn,
                "clues_opened": clues.opened,
                "failures": len(failures),
            }
            if json:
                print_json(facts)
            else:
                console.print("  ".join(f"{k} {v}" for k, v in facts.items()), highlight=False)
            _name(failures)


def _name(failures: Sequence[RuleFailure]) -> None:
    for failure in failures:
        errors.print(
            f"[red]failed:[/red] {failure.rule} on {failure.site_id}: {failure.error}", highlight=False
        )


def judge(source: WindowSource, rules: Sequence[Rule], threads: int, *, quiet: bool) -> list[SiteOutcome]:
    """All sites of a source, with a progress bar on a terminal."""
    with _progress(quiet) as progress, ThreadPoolExecutor(threads) as executor:
        return list(run_batch(source, rules, executor=executor, progress=progress))


def report(
    outcomes: Sequence[SiteOutcome], ranked: Sequence[RankedOutlet], json: bool, **facts: object
) -> None:
    """Say what was found; failures to stderr. Raises typer.Exit(1) when a rule failed."""
    by_rule = Counter(f.rule for o in outcomes for f in o.outcome.findings)
    failures = [f for o in outcomes for f in o.failures]
    if json:
        print_json(
            {
                "sites": len(outcomes),
                "findings": sum(by_rule.values()),
                "by_rule": dict(sorted(by_rule.items())),
                "abstentions": sum(len(o.outcome.abstentions) for o in outcomes),
                "capture_rates": sum(len(o.outcome.capture_rates) for o in outcomes),
                "listed": [r.outlet_id or r.site_id for r in ranked if r.listed],
                "failures": [{"rule": f.rule, "site_id": f.site_id, "error": f.error} for f in failures],
                **facts,
            }
        )
    else:
        print_table(f"findings at {len(outcomes)} sites", ["rule", "findings"], sorted(by_rule.items()))
        top = [
            (r.site_id, r.outlet_id, f"{r.score:.3f}", "yes" if r.listed else "", " ".join(r.families))
            for r in ranked[:10]
            if r.score > 0
        ]
        print_table("strongest", ["site", "outlet", "score", "listed", "families"], top)
        for name, value in facts.items():
            console.print(f"{name}: {value}", highlight=False)
    _name(failures)
    if failures:
        raise typer.Exit(TROUBLE)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, int], None] | None]:
    if quiet or not console.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("sites")
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _instant(text: str | None, option: str) -> datetime | None:
    if text is None:
        return None
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        raise _wrong_use(f"{option} {text!r} is not a time; write 2026-07-01 or 2026-07-01T08:00") from None


def _wrong_use(text: str) -> typer.Exit:
    errors.print(f"[red]mingcha detect:[/red] {text}", highlight=False)
    return typer.Exit(WRONG_USE)
