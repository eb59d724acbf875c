"""Kafka to database, every item exactly once."""

from ingest.writer.run import Writer, run_writer
from ingest.writer.settings import WriterSettings

__all__ = ["Writer", "WriterSettings", "run_writer"]
