"""Replaying dead letters: the original bytes go back on their topic, and the writer judges them anew."""

from __future__ import annotations

from collections.abc import Sequence

from domain.clock import to_microseconds
from domain.errors import MingchaError
from ingest.records import Item, Kind, pack
from ingest.sending import RecordSender
from ingest.topics import Topic
from storage.connection import Connection
from storage.intake.dead_letters import DeadLetter, mark_dead_letters


class ReplayError(MingchaError):
    """A dead letter cannot go back where it came from."""


_KIND_OF_TOPIC = {
    Topic.CEMS: Kind.HJ212,
    Topic.POWER: Kind.POWER_LINE,
    Topic.GATE: Kind.PASSAGE_LINE,
    Topic.DEAD_LETTER: Kind.DEAD_LETTER,
}
_KIND_OF_STAGE = {kind.name.lower(): kind for kind in Kind}
#: A whole record that could not be unpacked.
_RECORD = "record"


def replay(connection: Connection, bootstrap: str, letters: Sequence[DeadLetter]) -> int:
    """Send dead letters again and mark them replayed; returns how many.

    Each goes as a record of its own to the partition it came from, with its first receive time. A failure in
    between may send some twice: the writer counts the second as duplicate.
    Raises BrokerError; ReplayError when one came over a topic that is not ours.
    """
    records = [(topic_of(letter), letter.partition, record_of(letter)) for letter in letters]
    with RecordSender(bootstrap) as sender:
        for topic, partition, value in records:
            sender.send(topic.value, partition, value)
    with connection.transaction():
        mark_dead_letters(connection, [letter.dead_letter_id for letter in letters], "replayed")
    return len(letters)


def topic_of(letter: DeadLetter) -> Topic:
    """Raises ReplayError when the topic is not ours."""
    try:
        return Topic(letter.topic)
    except ValueError:
        raise ReplayError(
            f"dead letter {letter.dead_letter_id} names topic {letter.topic!r}, which is not ours; drop it"
        ) from None


def record_of(letter: DeadLetter) -> bytes:
    """The Kafka record that carries a dead letter back."""
    if letter.stage == _RECORD:
        return letter.body
    kind = _KIND_OF_STAGE.get(letter.stage, _KIND_OF_TOPIC[topic_of(letter)])
    return pack(kind, [Item(letter.body, to_microseconds(letter.received_at), letter.peer)])
