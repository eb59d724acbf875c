"""Errors of the doors and the streams.

MingchaError
├── records.RecordError    a Kafka record is not one of ours
├── LineError              one NDJSON line does not fit its table
├── Refused                the producer takes nothing more for now: slow down
├── BrokerError            the broker did not acknowledge: nothing may be answered
└── DoorError              a listener cannot open
"""

from __future__ import annotations

from domain.errors import MingchaError


class LineError(MingchaError):
    """One line of NDJSON does not fit its table; `field` names the column, '' when the line is no object."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}" if field else sentence)
        self.field = field
        self.sentence = sentence


class Refused(MingchaError):
    """More bytes wait for the broker than we hold: the sender has to wait (back-pressure)."""


class BrokerError(MingchaError):
    """The broker did not acknowledge a record, so its items may be lost or there: send them again."""


class DoorError(MingchaError):
    """A gateway or receiver cannot open its port; names it."""
