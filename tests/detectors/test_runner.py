"""The runner: order, threads, crashes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from detectors.catalogue import catalogue, load_rules
from detectors.rule import Outcome, RuleEntry
from detectors.runner import run_batch
from detectors.window import Window
from domain.registry import Registry, SiteId
from tests.detectors import worlds


@dataclass
class Sites:
    """A source of windows in memory; the site `broken` cannot be read."""

    names: Sequence[str]
    registry: Registry

    def sites(self) -> Sequence[SiteId]:
        return [SiteId(name) for name in self.names]

    def window(self, site_id: SiteId) -> Window:
        if site_id == "broken":
            raise OSError("the disk is gone")
        values = np.full(2208, np.nan)
        values[: 10 * len(site_id)] = 5.0
        return replace(worlds.window({(worlds.STACK, worlds.SO2): worlds.series(values)}), site_id=site_id)


@dataclass(frozen=True)
class Crashing:
    """A rule with a fault of ours."""

    entry: RuleEntry

    def evaluate(self, window: Window) -> Outcome:
        raise ZeroDivisionError("division by zero")


RULES = load_rules(["capture_rate.low", "compliance.hour_limit"])


def source(*names: str) -> Sites:
    return Sites(names, Registry())


def test_sites_come_in_order_with_and_without_threads() -> None:
    sites = source("a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg")
    alone = list(run_batch(sites, RULES))
    with ThreadPoolExecutor(3) as executor:
        together = list(run_batch(sites, RULES, executor=executor))
    assert [o.site_id for o in alone] == list(sites.names)
    assert together == alone
    assert all(len(o.outcome.findings) == 1 and len(o.outcome.abstentions) == 1 for o in alone)


def test_a_rule_that_crashes_is_named_and_the_others_go_on() -> None:
    crashing = Crashing(catalogue()["compliance.day_limit"])
    (outcome,) = run_batch(source("a"), [crashing, *RULES])
    (failure,) = outcome.failures
    assert (failure.rule, failure.site_id) == ("compliance.day_limit", "a")
    assert failure.error == "ZeroDivisionError: division by zero"
    assert "evaluate" in failure.trace
    assert len(outcome.outcome.findings) == 1


def test_a_site_that_cannot_be_read_is_named_and_the_others_go_on() -> None:
    first, broken, last = run_batch(source("a", "broken", "c"), RULES)
    assert broken.failures[0].rule == "window"
    assert first.outcome.findings and last.outcome.findings


def test_progress_is_told_site_by_site() -> None:
    told: list[tuple[int, int]] = []
    list(run_batch(source("a", "b"), RULES, progress=lambda done, total: told.append((done, total))))
    assert told == [(1, 2), (2, 2)]
