"""Dead letters go back where they came from, and devices let in late lose nothing."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from domain.registry import OutletId
from ingest.dead_letters import replay
from ingest.devices import approve
from ingest.ledger import check_ledger
from ingest.records import Kind
from ingest.topics import Topic
from ingest.writer import WriterSettings, run_writer
from mingcha.commands import dead_letters as dead_letters_command
from mingcha.commands import devices as devices_command
from mingcha.stack.broker import MemoryBroker
from storage.connection import connect
from storage.errors import UnknownSubject
from storage.intake.dead_letters import find_dead_letters
from tests.ingest.writing import (
    FACTORS,
    MN,
    OUTLET,
    Sender,
    active,
    count,
    drain,
    memory_broker,
    minute_frame,
    outcomes,
    query,
    register,
    until,
)

pytestmark = pytest.mark.stack

STRANGER = "99999990000001"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[MemoryBroker]:
    with memory_broker(tmp_path) as started:
        yield started


@pytest.fixture
def sender(broker: MemoryBroker) -> Iterator[Sender]:
    with Sender(broker.bootstrap) as opened:
        yield opened


def problems(url: str) -> tuple[str, ...]:
    with connect(url, application_name="test") as connection:
        return check_ledger(connection).problems


def test_a_replayed_dead_letter_is_judged_anew(database: str, broker: MemoryBroker, sender: Sender) -> None:
    from ingest.hj212.crc import crc_modbus

    segment = minute_frame(1)[6:-6]
    frame = b"##%04d%s%04X\r\n" % (len(segment), segment, crc_modbus(segment))
    register(database)
    sender.send([frame], partition=3)
    line = b'{"meter_id":"M7","time":"2026-03-01 08:00","kw":1}'
    sender.send([line], kind=Kind.POWER_LINE, topic=Topic.POWER)
    head = f'{{"stage":"gateway","reason":"password","mn":"{MN}","topic":"raw.cems"}}\n'.encode()
    sender.send([head + minute_frame(2)], kind=Kind.DEAD_LETTER, topic=Topic.DEAD_LETTER)
    sender.raw(b"nothing of ours")
    drain(database, broker.bootstrap)
    register(database, devices=[active(MN, accepted_crc=("modbus",))])
    with connect(database, application_name="test", autocommit=True) as connection:
        letters = find_dead_letters(connection, state="new")
        assert replay(connection, broker.bootstrap, letters[::-1]) == 4
        assert find_dead_letters(connection, state="new") == []
    drain(database, broker.bootstrap)
    assert query(database, "SELECT partition, crc_kind, readings FROM frame ORDER BY key_time") == [
        (3, 1, len(FACTORS)),
        (0, 0, len(FACTORS)),
    ]
    again = query(database, "SELECT reason, state FROM dead_letter ORDER BY dead_letter_id")
    assert sorted(again) == [
        ("bad_record", "new"), ("bad_record", "replayed"), ("crc_modbus", "replayed"),
        ("password", "replayed"), ("unknown_meter", "new"), ("unknown_meter", "replayed"),
    ]  # fmt: skip
    assert problems(database) == ()


def test_an_approved_device_brings_the_readings_of_its_kept_frames_once(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    frames = [minute_frame(minute, mn=STRANGER) for minute in range(700)]
    sender.send(frames)
    sender.send(frames[:5])
    drain(database, broker.bootstrap)
    assert count(database, "reading") == 0
    with connect(database, application_name="test", autocommit=True) as connection:
        assert approve(connection, STRANGER, OUTLET) == 700 * len(FACTORS)
        assert approve(connection, STRANGER, OUTLET) == 0
        with pytest.raises(UnknownSubject):
            approve(connection, "nobody", OUTLET)
        with pytest.raises(UnknownSubject):
            approve(connection, STRANGER, OutletId("nowhere"))
    sender.send([minute_frame(700, mn=STRANGER)])
    drain(database, broker.bootstrap)
    assert count(database, "reading") == 701 * len(FACTORS)
    assert problems(database) == ()


def test_frames_that_come_while_their_device_is_approved_are_used_once(
    database: str, broker: MemoryBroker, sender: Sender
) -> None:
    register(database)
    stop = threading.Event()
    writer = threading.Thread(target=run_writer, args=(WriterSettings(database, broker.bootstrap), stop))
    writer.start()
    try:
        for minute in range(200):
            sender.send([minute_frame(minute, mn=STRANGER)])
            if minute == 100:
                until(lambda: count(database, "frame") > 0)
                with connect(database, application_name="test", autocommit=True) as connection:
                    approve(connection, STRANGER, OUTLET)
    finally:
        stop.set()
        writer.join(20)
    drain(database, broker.bootstrap)
    assert count(database, "reading") == 200 * len(FACTORS)
    assert problems(database) == ()


def test_the_commands_list_show_replay_and_approve(
    database: str, broker: MemoryBroker, sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINGCHA_DATABASE_URL", database)
    monkeypatch.setenv("MINGCHA_KAFKA", broker.bootstrap)
    register(database)
    sender.send([b"##garbage", minute_frame(1, mn=STRANGER)])
    drain(database, broker.bootstrap)
    run = CliRunner().invoke
    listed = run(dead_letters_command.app, ["list", "--json"])
    assert listed.exit_code == 0, listed.output
    letter = json.loads(listed.stdout)
    assert letter["stage"] == "hj212"
    shown = run(dead_letters_command.app, ["show", str(letter["dead_letter_id"]), "--json"])
    assert json.loads(shown.stdout)["body"] == "##garbage"
    assert run(dead_letters_command.app, ["show", "999"]).exit_code == 1
    assert run(dead_letters_command.app, ["replay"]).exit_code == 2
    replayed = run(dead_letters_command.app, ["replay", "--all", "--json"])
    assert json.loads(replayed.stdout) == {"replayed": 1}
    drain(database, broker.bootstrap)
    assert outcomes(database) == {"dead_letter": 2, "stored": 1}
    pending = run(devices_command.app, ["list", "--pending", "--json"])
    assert json.loads(pending.stdout)["mn"] == STRANGER
    approved = run(devices_command.app, ["approve", STRANGER, OUTLET, "--json"])
    assert json.loads(approved.stdout)["readings"] == len(FACTORS)
