"""The writer against a real database and broker: what comes in is stored, counted, or kept with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from ingest.ledger import check_ledger
from ingest.producer import ensure_topics
from ingest.records import Item, Kind, pack
from ingest.topics import Topic
from ingest.writer import session
from mingcha.commands.writer import read_partitions
from mingcha.stack.broker import MemoryBroker
from storage.connection import Connection, connect
from storage.errors import MigrationError
from storage.intake import Batch, Stored, store_batch
from tests.ingest.writing import (
    FACTORS,
    MN,
    Sender,
    active,
    count,
    drain,
    memory_broker,
    minute_frame,
    outcomes,
    query,
    received_us,
    register,
    segment_frame,
)

pytestmark = pytest.mark.stack

POWER = b'{"meter_id":"M1","time":"2026-03-01T08:00:00","kw":1.5}'


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MemoryBroker]:
    with memory_broker(tmp_path) as started:
        yield started


@pytest.fixture
def sender(broker: MemoryBroker) -> Iterator[Sender]:
    with Sender(broker.bootstrap) as opened:
        yield opened


def adds_up(url: str) -> bool:
    with connect(url, application_name="test") as connection:
        report = check_ledger(connection)
    assert report.problems == ()
    return report.adds_up


def test_frames_become_rows_with_their_values(database: str, broker: MemoryBroker, sender: Sender) -> None:
    register(database)
    sender.send([minute_frame(minute) for minute in range(30)])
    assert drain(database, broker.bootstrap) == 30
    assert count(database, "frame") == 30
    rows = query(
        database,
        "SELECT factor, interval, avg, min, flag FROM reading_named"
        " WHERE time = '2026-03-01 00:02:00+00' ORDER BY avg",
    )
    assert rows == [(code, "minute", 10.2 + i, None, "N") for i, code in enumerate(FACTORS)]
    place = query(
        database,
        "SELECT bytes, host(peer), readings, sha256(bytes) = sha256"
        " FROM frame JOIN raw_record USING (stream_key, partition, kafka_offset),"
        " substring(body FROM byte_offset + 1 FOR length) AS bytes ORDER BY key_time LIMIT 1",
    )
    assert place == [(minute_frame(0), "10.0.0.7", 5, True)]
    assert adds_up(database)


def test_a_second_run_stores_nothing_more(database: str, broker: MemoryBroker, sender: Sender) -> None:
    register(database)
    sender.send([minute_frame(minute) for minute in range(5)])
    drain(database, broker.bootstrap)
    assert drain(database, broker.bootstrap) == 0
    sender.send([minute_frame(5)])
    assert drain(database, broker.bootstrap) == 1
    assert count(database, "frame") == 6


def test_what_a_device_sends_again_is_counted_and_stored_once(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    frames = [minute_frame(minute) for minute in range(20)]
    sender.send([*frames, frames[3], frames[3]])
    sender.send([*frames[10:], minute_frame(20)])
    drain(database, broker.bootstrap)
    assert outcomes(database) == {"stored": 21, "duplicate": 12}
    assert count(database, "reading") == 21 * len(FACTORS)
    assert adds_up(database)


@pytest.mark.parametrize("together", [True, False])
def test_another_content_for_the_same_key_is_kept_as_conflict_and_overwrites_nothing(
    database: str, broker: MemoryBroker, sender: Sender, together: bool
) -> None:
    register(database)
    first, second = minute_frame(1, value=10), minute_frame(1, value=99)
    if together:
        sender.send([first, second])
    else:
        sender.send([first])
        drain(database, broker.bootstrap)
        sender.send([second])
    drain(database, broker.bootstrap)
    assert outcomes(database) == {"stored": 1, "conflict": 1}
    assert query(database, "SELECT max(avg) FROM reading") == [(14.0,)]
    [(kind, subject, existing, offered)] = query(
        database, "SELECT kind, subject, existing, offered FROM conflict"
    )
    assert (kind, subject) == ("frame", MN)
    assert existing["frame"] == first.decode()
    assert offered["frame"] == second.decode()
    assert [reading["avg"] for reading in offered["readings"]] == [99, 100, 101, 102, 103]
    assert adds_up(database)


def test_two_frames_that_state_one_reading_differently_make_a_conflict_of_the_reading(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    # as MN and as a second device of the same outlet
    register(database, devices=[active("88888880000002")])
    sender.send([minute_frame(1, value=10, factors=["a34013", "a21026"])])
    sender.send([minute_frame(1, value=11, factors=["a21026", "a19001"], mn="88888880000002")])
    drain(database, broker.bootstrap)
    assert outcomes(database) == {"stored": 2}
    stored = query(database, "SELECT factor, avg FROM reading_named ORDER BY factor")
    assert stored == [("a19001", 12.0), ("a21026", 11.0), ("a34013", 10.0)]
    # a21026 was stated twice as 11.0: the same value is a duplicate, no conflict
    assert query(database, "SELECT readings FROM frame ORDER BY device_key") == [(2,), (1,)]
    sender.send([minute_frame(1, value=50, factors=["a34013"], cn="2051", mn="88888880000002")], partition=1)
    sender.send([minute_frame(2, value=50, factors=["a34013"])], partition=1)
    sender.send([minute_frame(2, value=51, factors=["a34013"], mn="88888880000002")], partition=1)
    drain(database, broker.bootstrap)
    kinds = query(
        database, "SELECT kind, subject, offered->>'factor', offered->>'avg' FROM conflict ORDER BY 1"
    )
    assert kinds == [("frame", "88888880000002", None, None), ("reading", "P1-1", "a34013", "51.0")]
    assert adds_up(database)


def test_an_unknown_mn_becomes_a_pending_device_whose_frames_are_kept_and_not_used(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    sender.send([minute_frame(1, mn="99999990000001"), minute_frame(1)])
    drain(database, broker.bootstrap)
    assert query(database, "SELECT mn, state FROM device ORDER BY mn") == [
        (MN, "active"),
        ("99999990000001", "pending"),
    ]
    assert count(database, "frame") == 2
    assert count(database, "reading") == len(FACTORS)
    assert adds_up(database)


def test_old_codes_mean_the_new_ones_and_private_codes_get_a_key(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    sender.send([minute_frame(1, factors=["01", "S01", "tVOC9"])])
    drain(database, broker.bootstrap)
    rows = query(
        database,
        "SELECT factor, factor_key >= 1000 FROM reading_named JOIN factor ON code = factor ORDER BY 1",
    )
    assert rows == [("a19001", False), ("a34013", False), ("tVOC9", True)]


def test_a_device_with_a_plain_modbus_crc_is_heard_only_when_the_registry_allows_it(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    from ingest.hj212.crc import crc_modbus

    segment = minute_frame(1)[6:-6]
    frame = b"##%04d%s%04X\r\n" % (len(segment), segment, crc_modbus(segment))
    register(database)
    sender.send([frame])
    drain(database, broker.bootstrap)
    assert query(database, "SELECT reason, subject FROM dead_letter") == [("crc_modbus", MN)]
    register(database, devices=[active(MN, accepted_crc=("modbus",))])
    sender.send([frame, minute_frame(2)])
    drain(database, broker.bootstrap)
    assert query(database, "SELECT crc_kind, readings FROM frame ORDER BY key_time") == [(1, 5), (0, 5)]
    assert outcomes(database) == {"dead_letter": 1, "stored": 2}
    assert adds_up(database)


def test_everything_refused_is_a_dead_letter_with_its_reason_and_bytes(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    damaged = minute_frame(1).replace(b"a21026-Avg=1", b"a21026-Avg=7")
    sender.send([damaged, minute_frame(2), b"##"])
    sender.raw(b"no record of ours")
    sender.raw(pack(Kind.HJ212, [Item(minute_frame(3), -5, "")]))
    head = (
        b'{"stage":"gateway","reason":"crc","detail":"bad","mn":"' + MN.encode() + b'","topic":"raw.cems"}\n'
    )
    sender.send([head + damaged, b"no head"], kind=Kind.DEAD_LETTER, topic=Topic.DEAD_LETTER)
    drain(database, broker.bootstrap)
    rows = query(database, "SELECT stage, reason, subject, body FROM dead_letter ORDER BY stage, reason")
    assert [(stage, reason, subject) for stage, reason, subject, _ in rows] == [
        ("dead_letter", "bad_head", ""),
        ("gateway", "crc", MN),
        ("hj212", "crc_absent", ""),
        ("hj212", "crc_wrong", MN),
        ("record", "bad_record", ""),
        ("record", "bad_record", ""),
    ]
    assert rows[1][3] == rows[3][3] == damaged
    assert outcomes(database) == {"dead_letter": 6, "stored": 1}
    assert adds_up(database)


def test_times_of_another_age_never_reach_the_tables(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    at = received_us(0)
    day = 24 * 60
    sender.send(
        [minute_frame(0), minute_frame(-day * 60), minute_frame(day - 1), minute_frame(day + 1)], received=at
    )
    old = b'{"meter_id":"M1","time":"1970-01-01T08:00:00","kw":1}'
    far = b'{"meter_id":"M1","time":"2099-01-01T08:00:00","kw":1}'
    sender.send([old, POWER, far], kind=Kind.POWER_LINE, topic=Topic.POWER, received=at)
    sender.send([segment_frame(minute_frame(0)[6:-6].decode().replace("2026", "1999"))], received=at)
    drain(database, broker.bootstrap)
    reasons = query(database, "SELECT stage, reason, count(*) FROM dead_letter GROUP BY 1, 2 ORDER BY 1, 2")
    assert reasons == [
        ("hj212", "implausible_time", 2),
        ("power_line", "implausible_time", 2),
    ]
    assert count(database, "power") == 1
    assert adds_up(database)


def test_lines_are_stored_in_words_of_ours_and_each_bad_one_says_why(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    readings = [
        '{"outlet_id":"P1-1","time":"2026-03-01T08:00:00","interval":"小时","factor":"02","avg":12.5,"flag":"N"}',
        '{"outlet_id":"P1-1","time":"2026-03-01 08:00","interval":"hour","factor":"a21002","avg":"7.5"}',
        '{"outlet_id":"P9","time":"2026-03-01 08:00","interval":"hour","factor":"a21002","avg":7.5}',
        '{"outlet_id":"P1-1","time":"2026-03-01 08:00","interval":"week","factor":"a21002","avg":7.5}',
        '{"outlet_id":"P1-1","time":"2026-03-01 08:00","interval":"hour","factor":"a21002","avg":1e999}',
        '[1]', '{', '',
    ]  # fmt: skip
    sender.send([line.encode() for line in readings], kind=Kind.READING_LINE)
    passage = (
        '{"gate_id":"G1","time":"2026-03-01 09:00","direction":"进","plate":"苏A12345","stage":"国五"}'
    ).encode()
    sender.send([passage, passage], kind=Kind.PASSAGE_LINE, topic=Topic.GATE)
    empty = b'{"meter_id":"M1","time":"2026-03-01T08:15:00"}'
    sender.send([POWER, empty, POWER, POWER.replace(b"1.5", b"1.6")], kind=Kind.POWER_LINE, topic=Topic.POWER)
    drain(database, broker.bootstrap)
    assert query(database, "SELECT factor, interval, avg, flag FROM reading_named ORDER BY factor") == [
        ("a21002", "hour", 7.5, None),
        ("a21026", "hour", 12.5, "N"),
    ]
    assert query(database, "SELECT direction, plate, stage, tonnes FROM passage") == [
        ("in", "苏A12345", "5", None)
    ]
    assert query(database, "SELECT kind, existing, offered FROM conflict") == [
        ("power", {"kw": 1.5, "kwh": None}, {"kw": 1.6, "kwh": None})
    ]
    reasons = query(database, "SELECT reason, count(*)::int FROM dead_letter GROUP BY 1 ORDER BY 1")
    assert reasons == [("bad_line", 6), ("unknown_outlet", 1)]
    assert outcomes(database) == {"stored": 4, "duplicate": 2, "conflict": 1, "dead_letter": 7}
    assert adds_up(database)


def test_a_line_means_the_same_whatever_it_was_batched_with(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    odd = b'{"meter_id":"M1","time":"2026-03-01 09:00","kw":"2.25"}'
    for number, others in enumerate(([], [b"{"], [POWER], [b"[]", POWER])):
        line = odd.replace(b"09:00", b"09:%02d" % number)
        sender.send([line, *others], kind=Kind.POWER_LINE, topic=Topic.POWER)
    drain(database, broker.bootstrap)
    assert query(database, "SELECT kw FROM power ORDER BY time") == [(1.5,), *[(2.25,)] * 4]


def test_a_text_no_table_can_hold_refuses_its_line_or_frame_alone(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    poison = b'{"gate_id":"G1","time":"2026-03-01 09:00","direction":"in","plate":"A\\u0000B"}'
    good = poison.replace(b"\\u0000", b"")
    sender.send([poison, good], kind=Kind.PASSAGE_LINE, topic=Topic.GATE)
    odd = [text.encode("latin-1").decode() for text in ("a2102\0", "x\x7fy")]
    sender.send([minute_frame(1, mn="12345\x006789"), minute_frame(2), minute_frame(3, factors=odd)])
    drain(database, broker.bootstrap)
    assert count(database, "passage") == 1
    assert count(database, "reading") >= len(FACTORS)
    assert query(database, "SELECT reason, body FROM dead_letter WHERE stage = 'passage_line'") == [
        ("bad_line", poison)
    ]
    assert query(database, "SELECT count(*)::int FROM dead_letter WHERE reason = 'unstorable'") == [(0,)]
    assert adds_up(database)


def test_a_record_postgresql_cannot_hold_is_refused_and_the_rest_goes_on(
    database: str, broker: MemoryBroker, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(database)

    def without_b(connection: Connection, batch: Batch, owner: str) -> Stored:
        if b"A?B" in batch.passages.plate:
            raise psycopg.DataError("a fault we did not think of")
        return store_batch(connection, batch, owner)

    monkeypatch.setattr(session, "store_batch", without_b)
    poison = b'{"gate_id":"G1","time":"2026-03-01 09:00","direction":"in","plate":"A?B"}'
    good = b'{"gate_id":"G1","time":"2026-03-01 09:00","direction":"in","plate":"AB"}'
    for body in (good, poison, good.replace(b"09:00", b"10:00")):
        sender.send([body], kind=Kind.PASSAGE_LINE, topic=Topic.GATE)
    drain(database, broker.bootstrap)
    assert count(database, "passage") == 2
    assert query(database, "SELECT reason, body FROM dead_letter") == [("unstorable", poison)]
    assert adds_up(database)


def test_a_topic_made_anew_is_another_stream(database: str, tmp_path: Path) -> None:
    register(database)
    for number in range(2):
        with memory_broker(tmp_path / str(number)) as broker, Sender(broker.bootstrap) as sender:
            ensure_topics(broker.bootstrap)
            sender.send([minute_frame(number)])
            drain(database, broker.bootstrap)
    assert count(database, "frame") == 2
    assert count(database, "stream") == 2 * len(Topic)
    assert adds_up(database)


def test_a_database_without_our_tables_is_named_with_the_remedy(
    empty_database: str, broker: MemoryBroker
) -> None:
    with pytest.raises(MigrationError, match="run `mingcha db migrate`"):
        drain(empty_database, broker.bootstrap)


def test_partitions_are_read_as_people_write_them() -> None:
    assert read_partitions("") is None
    assert read_partitions("0-3,7") == (0, 1, 2, 3, 7)
    with pytest.raises(ValueError, match="'x' is no partition"):
        read_partitions("0,x")
