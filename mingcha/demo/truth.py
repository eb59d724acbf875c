"""What the demo planted against what was found, read from its database."""

from __future__ import annotations

from domain.clock import Quarter
from mingcha.demo.memory import recall
from mingcha.settings import Settings
from mingcha.stack.errors import StackError
from simulators.recorded import record
from simulators.score import Score, claims_of, counts_of, score
from storage.connection import connect
from storage.findings import load_capture_rates, load_findings


def score_demo(settings: Settings) -> Score:
    """The score over the demo's history. Raises StackError when there is no demo here."""
    memory = recall(settings.home / "demo.json")
    if memory is None:
        raise StackError(f"no demo in {settings.home}; `mingcha demo` makes one")
    city = memory.city
    truth = record(city, city.simulate(memory.start, memory.live_from), memory.start, memory.live_from)
    with connect(settings.require_database_url(), application_name="mingcha-score") as connection:
        findings = load_findings(connection, start=memory.start, end=memory.live_from)
        rates = load_capture_rates(connection, str(Quarter.of(memory.start)))
    return score(claims_of(findings), truth, truth.sites, counts_of(rates))
