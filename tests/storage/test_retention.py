"""What goes and what stays."""

from __future__ import annotations

from storage.connection import connect
from storage.retention import drop_older_than


def test_records_stay_five_years_and_passages_two(database: str) -> None:
    with connect(database, application_name="test") as connection:
        for age, plate in (("59 months", "a"), ("61 months", "b"), ("23 months", "c"), ("25 months", "d")):
            connection.execute(
                "INSERT INTO reading (outlet_key, factor_key, interval_key, time)"
                " VALUES (1, 1, 2, now() - %(age)s::interval);",
                {"age": age},
            )
            connection.execute(
                "INSERT INTO passage (gate_key, time, plate, direction)"
                " VALUES (1, now() - %(age)s::interval, %(plate)s, 'in')",
                {"age": age, "plate": plate},
            )
        dropped = {d.relation: d.dropped for d in drop_older_than(connection)}
        assert dropped == {"raw_record": 0, "frame": 0, "reading": 1, "power": 0, "passage": 3}
        assert connection.execute("SELECT plate FROM passage").fetchall() == [("c",)]
        assert connection.execute("SELECT count(*) FROM reading").fetchone() == (3,)
