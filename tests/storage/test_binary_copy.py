"""Columns through COPY, against what the server says it holds."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import binary_copy as bc
from storage.connection import Connection, connect
from storage.errors import CopyError

TABLE = """CREATE TEMP TABLE anything (
    row integer, small smallint, big bigint, exact double precision, value double precision,
    at timestamptz, word text, flag text, digest bytea, body bytea, peer inet)"""


@pytest.fixture(scope="module")
def connection(postgres_url: str) -> Iterator[Connection]:
    with connect(postgres_url, application_name="test", autocommit=True) as connection:
        connection.execute(TABLE)
        yield connection


words = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
rows = st.tuples(
    st.integers(-(2**15), 2**15 - 1),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.one_of(st.just(math.nan), st.floats(allow_nan=False)),
    # PostgreSQL ends in the year 294276, Python's datetime before
    st.integers(-60_000_000_000_000_000, 250_000_000_000_000_000),
    words,
    words,
    st.binary(min_size=4, max_size=4),
    st.binary(max_size=40),
    addresses,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(rows, max_size=40))
def test_any_rows_come_back_as_sent(connection: Connection, sent: list[tuple[object, ...]]) -> None:
    connection.execute("TRUNCATE anything")
    small, big, exact, value, at, word, flag, digest, body, peer = (
        [list(c) for c in zip(*sent, strict=True)] if sent else [[] for _ in range(10)]
    )
    columns = {
        "row": bc.int4(np.arange(len(sent))),
        "small": bc.int2(np.array(small, np.int64)),
        "big": bc.int8(np.array(big, np.int64)),
        "exact": bc.float8(np.array(exact, float)),
        "value": bc.nullable_float8(np.array(value, float)),
        "at": bc.timestamptz(np.array(at, np.int64)),
        "word": bc.text([str(w) for w in word]),
        "flag": bc.nullable_text([str(f) for f in flag]),
        "digest": bc.bytea(np.frombuffer(b"".join(map(_bytes, digest)), np.uint8).reshape(len(sent), 4)),
        "body": bc.bytea([_bytes(b) for b in body]),
        "peer": bc.inet([str(p) for p in peer], np.arange(len(sent))),
    }
    with connection.cursor() as cursor:
        assert bc.copy_rows(cursor, "anything", columns) == len(sent)
    got = connection.execute(
        "SELECT small, big, exact, value, (extract(epoch FROM at) * 1000000)::bigint, word, flag, digest,"
        " body, peer FROM anything ORDER BY row"
    ).fetchall()
    assert got == [
        (s, b, e, None if math.isnan(float(str(v))) else v, t, w, f or None, d, y, p)
        for s, b, e, v, t, w, f, d, y, p in sent
    ]


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes)
    return value


@pytest.mark.parametrize("rows", [1, 7, 5000])
def test_every_pattern_of_gaps_and_text_lengths_is_stored(connection: Connection, rows: int) -> None:
    connection.execute("TRUNCATE anything")
    rng = np.random.default_rng(rows)
    first, second = (np.where(rng.random(rows) < 0.5, np.nan, rng.normal(size=rows)) for _ in range(2))
    flag = rng.choice(np.array([b"", b"N", b"Md", b"stop"], "S4"), rows)
    columns = {
        "row": bc.int4(np.arange(rows)),
        "exact": bc.nullable_float8(first),
        "value": bc.nullable_float8(second),
        "flag": bc.nullable_text(flag),
    }
    with connection.cursor() as cursor:
        bc.copy_rows(cursor, "anything", columns)
    got = connection.execute("SELECT exact, value, flag FROM anything ORDER BY row").fetchall()
    assert got == [
        (None if x != x else x, None if y != y else y, f.decode() or None)
        for x, y, f in zip(first.tolist(), second.tolist(), flag.tolist(), strict=True)
    ]


def test_more_layouts_than_sixteen_bits_can_number_are_stored(connection: Connection) -> None:
    connection.execute("TRUNCATE anything")
    rng = np.random.default_rng(0)
    words = {name: ["x" * int(n) for n in rng.integers(0, 300, 400)] for name in ("word", "flag")}
    bodies = [bytes(int(n)) for n in rng.integers(0, 9000, 400)]
    columns = {"row": bc.int4(np.arange(400)), "body": bc.bytea(bodies)}
    columns |= {name: bc.text(values) for name, values in words.items()}
    with connection.cursor() as cursor:
        bc.copy_rows(cursor, "anything", columns)
    got = connection.execute("SELECT body, word, flag FROM anything ORDER BY row").fetchall()
    assert got == list(zip(bodies, words["word"], words["flag"], strict=True))


def test_extremes_survive(connection: Connection) -> None:
    connection.execute("TRUNCATE anything")
    floats = np.array([np.inf, -np.inf, 5e-324, 1.7976931348623157e308, -0.0])
    integers = np.array([-(2**63), 2**63 - 1, 0, -1, 1])
    columns = {"exact": bc.float8(floats), "big": bc.int8(integers)}
    with connection.cursor() as cursor:
        bc.copy_rows(cursor, "anything", columns)
    got = connection.execute("SELECT exact, big FROM anything").fetchall()
    assert np.array([x for x, _ in got]).tobytes() == floats.tobytes()
    assert [n for _, n in got] == integers.tolist()


def test_no_rows_write_nothing(connection: Connection) -> None:
    with connection.cursor() as cursor:
        assert bc.copy_rows(cursor, "anything", {"row": bc.int4([]), "word": bc.text([])}) == 0


def test_a_batch_with_a_key_already_there_leaves_no_row(connection: Connection) -> None:
    connection.execute("CREATE TEMP TABLE IF NOT EXISTS keyed (k integer PRIMARY KEY); TRUNCATE keyed")
    with connection.cursor() as cursor:
        bc.copy_rows(cursor, "keyed", {"k": bc.int4([1, 2])})
        with pytest.raises(psycopg.errors.UniqueViolation):
            bc.copy_rows(cursor, "keyed", {"k": bc.int4([3, 2])})
    assert connection.execute("SELECT array_agg(k ORDER BY k) FROM keyed").fetchone() == ([1, 2],)


def test_what_postgresql_cannot_hold_is_refused_before_it_is_sent() -> None:
    with pytest.raises(CopyError, match="row 1 holds a NUL"):
        bc.text(np.array([b"ok", b"a\0b"]))
    with pytest.raises(CopyError, match="row 0 holds a NUL"):
        bc.text(["a\0"])
    with pytest.raises(CopyError, match="row 1 is not UTF-8"):
        bc.nullable_text(np.array([b"N", "停产".encode("gbk")]))
    with pytest.raises(CopyError, match="do not fit int16"):
        bc.int2(np.array([40_000]))
    with pytest.raises(CopyError, match="not an IP address"):
        bc.inet(["gateway"], np.array([0]))
    with pytest.raises(CopyError, match="differ in length"):
        list(bc.encode([bc.int4([1]), bc.int4([1, 2])]))
