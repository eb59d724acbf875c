"""`mingcha simulate`: bundles of simulated plants, and findings scored against what was planted."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from domain.clock import as_utc
from mingcha.output import WRONG_USE, console, errors, print_json, print_table, sentences
from mingcha.settings import load_settings
from simulators.demo_city import HISTORY, demo_city
from simulators.province import province
from simulators.recorded import read_record
from simulators.score import Score, read_capture_rates, read_claims, score
from simulators.tables import truth_path, write_city

app = typer.Typer(no_args_is_help=True)


@app.command()
def bundle(
    output: Annotated[Path, typer.Option(help="directory to write; the truth goes beside it")],
    start: Annotated[str, typer.Option(help="first instant, Asia/Shanghai: 2026-07-01")] = "2026-07-01",
    end: Annotated[str | None, typer.Option(help="first instant after; absent: 92 days later")] = None,
    seed: Annotated[int, typer.Option(help="the same seed gives the same city")] = 1,
    outlets: Annotated[int, typer.Option(min=0, help="a province of this size instead of the city")] = 0,
    honest: Annotated[bool, typer.Option("--honest", help="nobody tampers")] = False,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Write what a simulated city sends, as a bundle, and the truth beside it."""
    first = _instant(start, "--start")
    last = first + HISTORY if end is None else _instant(end, "--end")
    with sentences():
        city = province(seed, outlets, first) if outlets else demo_city(seed, first)
        if honest:
            city = city.without_acts()
        recorded = write_city(city, first, last, output)
    summary = {
        "bundle": str(output),
        "truth": str(truth_path(output)),
        "sites": len(city.plants),
        "outlets": sum(1 for _ in city.outlets()),
        "truths": len(recorded.truths),
        "notes": len(recorded.notes),
    }
    if json:
        print_json(summary)
    else:
        console.print("\n".join(f"{name}: {value}" for name, value in summary.items()), highlight=False)


@app.command(name="score")
def score_command(
    findings: Annotated[Path | None, typer.Option(help="findings.parquet of `mingcha detect`")] = None,
    truth: Annotated[Path | None, typer.Option(help="truth file of `mingcha simulate bundle`")] = None,
    json: Annotated[bool, typer.Option("--json", help="print one JSON document")] = False,
) -> None:
    """Recall by kind, false findings per site and quarter by rule, exactness of the capture rates.

    Without files: the findings of the demo in the database against what the demo planted.
    """
    with sentences():
        if findings is None and truth is None:
            from mingcha.demo.truth import score_demo

            report(score_demo(load_settings()), json)
            return
        if findings is None or truth is None:
            errors.print("mingcha: --findings and --truth go together", style="red", highlight=False)
            raise typer.Exit(WRONG_USE)
        recorded = read_record(truth)
        rates = findings.with_name("capture_rates.parquet")
        counts = read_capture_rates(rates) if rates.exists() else []
        result = score(read_claims(findings), recorded, recorded.sites, counts)
    report(result, json)


def report(result: Score, json: bool) -> None:
    """Print a score, as one JSON document or as tables."""
    if json:
        print_json(
            {
                "kinds": [{**vars(kind), "recall": kind.recall} for kind in result.kinds],
                "rules": result.rules,
                "capture": result.capture,
                "site_quarters": result.site_quarters,
            }
        )
        return
    print_table(
        "planted and found",
        ("kind", "planted", "found", "recall", "delay h", "rules"),
        [
            (
                kind.kind,
                kind.planted,
                kind.found,
                "no rule" if kind.recall is None else f"{kind.recall:.0%}",
                None if kind.delay_hours is None else f"{kind.delay_hours:.1f}",
                ", ".join(kind.expected_rules),
            )
            for kind in result.kinds
        ],
    )
    print_table(
        f"findings by rule, {result.site_quarters:.1f} site-quarters",
        ("rule", "findings", "right", "beside", "false", "false per site-quarter", "false on near-misses"),
        [
            (
                rule.rule,
                rule.findings,
                rule.right,
                rule.beside,
                rule.false,
                f"{rule.false_per_site_quarter:.3f}",
                ", ".join(f"{kind} {count}" for kind, count in rule.false_on_notes),
            )
            for rule in result.rules
        ],
    )
    capture = result.capture
    console.print(f"capture rates: {capture.exact} of {capture.compared} exact", highlight=False)


def _instant(text: str, option: str) -> datetime:
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        errors.print(f"[red]mingcha:[/red] {option} {text!r} is no time; write 2026-07-01", highlight=False)
        raise typer.Exit(WRONG_USE) from None
