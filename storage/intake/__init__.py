"""The database side of intake: one batch of rows and its Kafka positions in one transaction."""

from storage.intake.offsets import Advance, Fenced, read_positions, stream_key_of
from storage.intake.rows import Batch, Outcome, Stream
from storage.intake.store import StaleRegistry, Stored, prefer_fast_compression, store_batch

__all__ = [
    "Advance",
    "Batch",
    "Fenced",
    "Outcome",
    "StaleRegistry",
    "Stored",
    "Stream",
    "prefer_fast_compression",
    "read_positions",
    "store_batch",
    "stream_key_of",
]
