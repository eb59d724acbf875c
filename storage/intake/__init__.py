"""The database side of intake: one batch of rows and its Kafka positions in one transaction."""

from storage.intake.offsets import Advance, Fenced, read_positions, stream_key_of
from storage.intake.rows import Batch, Outcome, Stream
from storage.intake.store import StaleRegistry, Stored, store_batch

__all__ = [
    "Advance",
    "Batch",
    "Fenced",
    "Outcome",
    "StaleRegistry",
    "Stored",
    "Stream",
    "read_positions",
    "store_batch",
    "stream_key_of",
]
