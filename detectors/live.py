"""Detection as hours close: the sites that reported are judged again over their trailing period."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from datetime import datetime, timedelta

from detectors.rule import Rule
from detectors.runner import SiteOutcome, run_batch
from detectors.saving import Saved, save_run
from detectors.sources.database import APPLICATION, DatabaseSource
from domain.clock import Quarter, floor_hour, in_shanghai
from domain.registry import SiteId
from storage.connection import Connection, connect
from storage.series import latest_event_time

HOUR = timedelta(hours=1)
#: An hour is judged this long after it ended: late minutes and the hour's own row arrive in it.
GRACE = timedelta(minutes=5)
#: How far back every judgement looks at least; the running quarter when that is longer.
LEAST_HISTORY = timedelta(days=31)

_TOUCHED = """
SELECT DISTINCT site_id FROM outlet WHERE outlet_key IN (
    SELECT outlet_key FROM reading WHERE time >= %(start)s AND time < %(end)s)
UNION
SELECT DISTINCT site_id FROM meter WHERE meter_key IN (
    SELECT meter_key FROM power WHERE time >= %(start)s AND time < %(end)s)
UNION
SELECT DISTINCT site_id FROM gate WHERE gate_key IN (
    SELECT gate_key FROM passage WHERE time >= %(start)s AND time < %(end)s)
ORDER BY site_id
"""


@dataclass(frozen=True)
class ClosedHour:
    """What was done when an hour closed."""

    end: datetime
    outcomes: tuple[SiteOutcome, ...]
    saved: Saved


def period_until(end: datetime) -> tuple[datetime, datetime]:
    """The period judged when an hour ends: the running quarter, with the one before while it is young."""
    quarter = Quarter.of(end - timedelta(microseconds=1))
    start = quarter.start if end - quarter.start >= LEAST_HISTORY else quarter.previous().start
    return start, end


def newest_closed_hour(connection: Connection) -> datetime | None:
    """End of the newest clock hour that is over by the streams' own time; None before the first record."""
    latest = latest_event_time(connection)
    return None if latest is None else floor_hour(latest - GRACE)


def touched_sites(connection: Connection, start: datetime, end: datetime) -> list[SiteId]:
    """Sites with any row in `[start, end)`."""
    return [row[0] for row in connection.execute(_TOUCHED, {"start": start, "end": end})]


def close_hour(
    url: str, rules: Sequence[Rule], executor: Executor, judged_until: datetime | None
) -> ClosedHour | None:
    """Judge what closed since `judged_until` (None: everything), up to the newest closed hour, and save it.

    All sites are judged the first time and when a Shanghai day has ended, so that silent ones are seen too;
    in between those with rows in the hours that closed. None when no hour closed. Judging twice changes
    nothing.
    """
    with connect(url, application_name=APPLICATION, autocommit=True) as connection:
        end = newest_closed_hour(connection)
        if end is None or (judged_until is not None and end <= judged_until):
            return None
        whole = judged_until is None or in_shanghai(end).date() != in_shanghai(judged_until).date()
        sites = None if whole or judged_until is None else touched_sites(connection, judged_until, end)
        source = DatabaseSource(url, *period_until(end), known_until=end, sites=sites)
        outcomes = tuple(run_batch(source, rules, executor=executor))
        with connection.transaction():
            saved = save_run(connection, source, outcomes, rules, "live")
        return ClosedHour(end, outcomes, saved)
