"""Sorts the rows of a batch into new, duplicate and conflicting, against the table and among themselves.

Done only for a table whose direct COPY hit an existing key. The keys go to a temporary table and are looked
up row by row through the primary key: `ON CONFLICT` into compressed TimescaleDB chunks has lost rows
(timescaledb #7672), and a join could read the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from psycopg import sql

from storage import binary_copy as copy
from storage.intake.rows import Outcome, Rows
from storage.intake.tables import StreamTable

R = TypeVar("R", bound=Rows)

Values = tuple[object, ...]


@dataclass(frozen=True)
class Clash:
    """A row whose key is taken by other content. `holder` is the row of the batch that holds the key, -1 when
    it is in the table already; `existing` are the holder's values.
    """

    row: int
    holder: int
    existing: Values


@dataclass(frozen=True)
class Sorted:
    """`verdict` per row: STORED, DUPLICATE or CONFLICT."""

    verdict: npt.NDArray[np.int8]
    clashes: tuple[Clash, ...]


def sort_rows(cursor: Any, table: StreamTable[R], rows: R) -> Sorted:
    """Judge every row; of the rows of one key the first in the batch is the one that may be stored."""
    _, first, group = np.unique(table.key_array(rows), return_index=True, return_inverse=True)
    holder = first[group.reshape(-1)]
    present = _look_up(cursor, table, rows, first)
    verdict = np.full(len(rows), Outcome.STORED, np.int8)
    clashes = []
    unsettled = holder != np.arange(len(rows))
    unsettled |= np.isin(holder, np.fromiter(present, np.intp, len(present)))
    for row in np.flatnonzero(unsettled).tolist():
        leader = int(holder[row])
        stored = leader in present
        existing = present[leader] if stored else table.value_tuple(rows, leader)
        if table.value_tuple(rows, row) == existing:
            verdict[row] = Outcome.DUPLICATE
        else:
            verdict[row] = Outcome.CONFLICT
            clashes.append(Clash(row, -1 if stored else leader, existing))
    return Sorted(verdict, tuple(clashes))


def _look_up(
    cursor: Any, table: StreamTable[R], rows: R, first: npt.NDArray[np.intp]
) -> Mapping[int, Values]:
    """The values in the table of those of the `first` rows whose key is there, by row."""
    staged = sql.Identifier(f"staged_{table.name}")
    target = sql.Identifier(table.name)
    keys = [sql.Identifier(name) for name in table.key]
    cursor.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE IF NOT EXISTS {staged} ON COMMIT DELETE ROWS AS"
            " SELECT 0 AS row, {keys} FROM {target} WITH NO DATA"
        ).format(staged=staged, keys=sql.SQL(", ").join(keys), target=target)
    )
    cursor.execute(sql.SQL("DELETE FROM {}").format(staged))
    candidates = rows.take(first)
    copy.copy_rows(cursor, f"staged_{table.name}", {"row": copy.int4(first)} | table.key_columns(candidates))
    same_key = sql.SQL(" AND ").join(sql.SQL("t.{0} = s.{0}").format(key) for key in keys)
    values = sql.SQL(", ").join(map(sql.Identifier, table.values))
    # LIMIT keeps the planner from turning the look-ups into a join over the whole table
    cursor.execute(
        sql.SQL(
            "SELECT s.row, f.* FROM {staged} s"
            " CROSS JOIN LATERAL (SELECT {values} FROM {target} t WHERE {same_key} LIMIT 1) f"
        ).format(staged=staged, values=values, target=target, same_key=same_key)
    )
    return {int(row): tuple(_empty_is_none(v) for v in found) for row, *found in cursor.fetchall()}


def _empty_is_none(value: object) -> object:
    return None if value == "" else value
