"""Kafka records to the batch one transaction stores. Looks up names, changes no row of a stream."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np

from ingest.records import Kind
from ingest.topics import Topic
from ingest.writer import lines
from ingest.writer.consumed import Consumed, Opened, OpenedBatch, open_records
from ingest.writer.frames import NO_ADDRESS, FrameParts, read_frames
from ingest.writer.keys import Keys
from storage.intake import Advance, Batch
from storage.intake.rows import FrameRows, Items, PassageRows, PowerRows, ReadingRows, Refusal

Positions = Mapping[tuple[int, int], int]


def prepare(consumed: Sequence[Consumed], positions: Positions, keys: Keys) -> Batch:
    """Everything these records become. `positions` is the next offset of each (stream_key, partition)."""
    batch = open_records(consumed)
    subjects = [""] * len(batch.record)
    refusals = list(batch.refusals)
    peers: tuple[str, ...] = (NO_ADDRESS,)
    idle: tuple[int, ...] = ()
    frames, readings = FrameRows.none(), list[ReadingRows]()
    power, passages = PowerRows.none(), PassageRows.none()

    opened = batch.of_kind(Kind.HJ212)
    if opened:
        parts = read_frames(opened, keys)
        _name_frames(opened, parts, subjects)
        frames, peers, idle = parts.frames, parts.peers, parts.idle_devices
        readings.append(parts.readings)
        refusals += parts.refusals
    for kind in (lines.READING_LINES, lines.POWER_LINES, lines.PASSAGE_LINES):
        opened = batch.of_kind(kind.kind)
        if not opened:
            continue
        read = lines.read_lines(opened, kind, keys)
        refusals += read.refusals
        for item, subject in read.subjects.items():
            subjects[item] = subject
        if kind is lines.READING_LINES:
            readings.append(lines.reading_rows(read, keys))
        elif kind is lines.POWER_LINES:
            power = lines.power_rows(read)
        else:
            passages = lines.passage_rows(read)
    for o in batch.of_kind(Kind.DEAD_LETTER):
        for number in range(len(o.record)):
            refusal = refused_at_a_door(o, number)
            subjects[refusal.item] = refusal.subject
            refusals.append(refusal)
    joined = ReadingRows.join(readings)
    return Batch(
        advances=_advances(consumed, positions, batch, joined, frames, power, passages),
        records=batch.records,
        items=Items(batch.record, batch.number, batch.stream, tuple(subjects)),
        peers=peers,
        frames=frames,
        readings=joined,
        power=power,
        passages=passages,
        refusals=tuple(refusals),
        idle_devices=idle,
    )


def refuse_all(one: Consumed, positions: Positions, detail: str) -> Batch:
    """A record that cannot be stored: each of its items as a dead letter, so that each can be replayed."""
    batch = open_records([one])
    refusals = list(batch.refusals)
    for o in batch.opened:
        stage = o.record.kind.name.lower()
        refusals += [
            o.refusal(number, subject="", stage=stage, reason="unstorable", detail=detail)
            for number in range(len(o.record))
        ]
    place = (one.stream_key, one.partition)
    return Batch(
        advances=(Advance(*place, positions[place], one.offset + 1),),
        records=batch.records,
        items=Items(batch.record, batch.number, batch.stream, ("",) * len(batch.record)),
        peers=(NO_ADDRESS,),
        frames=FrameRows.none(),
        readings=ReadingRows.none(),
        power=PowerRows.none(),
        passages=PassageRows.none(),
        refusals=tuple(refusals),
        idle_devices=(),
    )


def refused_at_a_door(opened: Opened, number: int) -> Refusal:
    """An item of the dead letter topic: a JSON head line, a newline, the bytes the door refused."""
    head_line, _, body = opened.record.body(number).partition(b"\n")
    try:
        head = json.loads(head_line)
        if not isinstance(head, dict):
            raise ValueError("the head is no JSON object")
    except (ValueError, RecursionError) as error:
        return opened.refusal(
            number,
            subject="",
            stage="dead_letter",
            reason="bad_head",
            detail=f"dead letter without head: {error}",
        )
    return Refusal(
        item=opened.first_item + number,
        topic=str(head.get("topic", Topic.DEAD_LETTER.value)),
        received_us=int(opened.record.received_us[number]),
        peer=opened.record.peer_of(number),
        subject=str(head.get("mn", head.get("subject", ""))),
        stage=str(head.get("stage", "")),
        reason=str(head.get("reason", "")),
        detail=str(head.get("detail", "")),
        body=body,
    )


def _name_frames(opened: Sequence[Opened], parts: FrameParts, subjects: list[str]) -> None:
    at = 0
    for o in opened:
        subjects[o.first_item : o.first_item + len(o.record)] = parts.subjects[at : at + len(o.record)]
        at += len(o.record)


def _advances(
    consumed: Sequence[Consumed],
    positions: Positions,
    batch: OpenedBatch,
    readings: ReadingRows,
    frames: FrameRows,
    power: PowerRows,
    passages: PassageRows,
) -> tuple[Advance, ...]:
    newest = np.full(len(consumed), np.iinfo(np.int64).min, np.int64)
    for item, time_us in (
        (frames.item, frames.key_time),
        (readings.item, readings.time),
        (power.item, power.time),
        (passages.item, passages.time),
    ):
        np.maximum.at(newest, batch.record[item], time_us)
    last: dict[tuple[int, int], tuple[int, int]] = {}
    for one, event_us in zip(consumed, newest.tolist(), strict=True):
        place = (one.stream_key, one.partition)
        before = last.get(place, (0, event_us))[1]
        last[place] = (one.offset + 1, max(before, event_us))
    return tuple(
        Advance(stream_key, partition, positions[stream_key, partition], next_offset, _known(event_us))
        for (stream_key, partition), (next_offset, event_us) in last.items()
    )


def _known(event_us: int) -> int | None:
    return None if event_us == np.iinfo(np.int64).min else event_us
