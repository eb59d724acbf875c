"""Values as people read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from enforcement.evidence import mask_plate
from ui import shown
from ui.words import words


def test_times_are_shown_in_utc_plus_8() -> None:
    assert shown.moment(datetime(2026, 8, 13, 19, 0, tzinfo=UTC)) == "08-14 03:00"


def test_an_interval_within_a_day_names_the_day_once() -> None:
    start = datetime(2026, 8, 13, 19, 0, tzinfo=UTC)
    assert shown.interval(start, start + timedelta(hours=6)) == "08-14 03:00 – 09:00"
    assert shown.interval(start, start + timedelta(hours=30)) == "08-14 03:00 – 08-15 09:00"


def test_a_text_that_a_spreadsheet_would_run_is_disarmed() -> None:
    table = pl.DataFrame({"n": [1, 2, 3], "comment": ["=1+1", "+8613800000000", "停电"]})
    lines = shown.csv_bytes(table).decode("utf-8-sig").splitlines()
    assert lines == ["n,comment", "1,'=1+1", "2,'+8613800000000", "3,停电"]


@pytest.mark.parametrize(
    ("article", "expected"),
    [("第二十条", "art. 20"), ("第九十九条", "art. 99"), ("第一百条", "art. 100"), ("12.1.3", "12.1.3")],
)
def test_articles_are_numbers_in_english(article: str, expected: str) -> None:
    assert shown.article(article, words("en")) == expected
    assert shown.article(article, words("zh")) == article


def test_a_plate_is_masked() -> None:
    assert mask_plate("鄂D12345") == "鄂D1***5"
    assert "2345" not in mask_plate("鄂AD12345")


def test_tiny_probabilities_are_not_quoted_to_the_digit() -> None:
    assert shown.probability(2e-14) == "p < 1e-9"
    assert shown.probability(0.0123) == "p = 0.012"
