"""The benchmark behind decision 001 compares layouts that hold the same numbers."""

from __future__ import annotations

import pytest

from benchmarks.row_layout import LAYOUTS, Layout, make_frames, store
from storage.connection import connect

SUMS = {
    "narrow": "SELECT count(*), sum(avg), sum(total) FROM layout",
    "wide": "SELECT count(*) * 10, sum(f0_avg + f1_avg + f2_avg + f3_avg + f4_avg + f5_avg + f6_avg + f7_avg"
    " + f8_avg + f9_avg), sum(f0_total + f1_total + f2_total + f3_total + f4_total + f5_total + f6_total"
    " + f7_total + f8_total + f9_total) FROM layout",
    "array": "SELECT count(*) * 10, sum((SELECT sum(a) FROM unnest(avg) a)),"
    " sum((SELECT sum(t) FROM unnest(total) t)) FROM layout",
}


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout.name)
def test_every_layout_holds_every_reading(empty_database: str, layout: Layout) -> None:
    frames = make_frames(1_500)
    with connect(empty_database, application_name="test", autocommit=True) as connection:
        store(connection, layout, layout.blocks(frames))
        query = next(query for word, query in SUMS.items() if layout.name.startswith(word))
        row = connection.execute(query.encode()).fetchone()
    assert row is not None
    assert row[0] == 15_000
    assert row[1:] == pytest.approx((frames.values[:, :, 0].sum(), frames.values[:, :, 4].sum()))
