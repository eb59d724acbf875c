"""The writer as a process runs it: one session after the other until told to stop."""

from __future__ import annotations

import logging
import os
import socket
import threading
from dataclasses import replace

import psycopg

from ingest.errors import BrokerError
from ingest.producer import ensure_topics
from ingest.writer import metrics
from ingest.writer.session import Ending, Session
from ingest.writer.settings import WriterSettings
from ingest.writer.source import Source, describe_topics
from storage.connection import connect
from storage.errors import DatabaseUnreachable, MigrationError
from storage.intake import prefer_fast_compression, stream_key_of

log = logging.getLogger(__name__)

_FIRST_BACKOFF_SECONDS, _LAST_BACKOFF_SECONDS = 0.1, 2.0


def run_writer(settings: WriterSettings, stop: threading.Event | None = None) -> int:
    """Write until `stop` is set (or everything is stored); return how many items were stored or counted.

    Raises Fenced, RecordsGone, WriterStuck, and MigrationError on a database without our tables. A lost
    database or broker is waited for: nothing outlives a failed transaction, the positions are read again and
    reading goes on from there.
    """
    return Writer(settings, stop or threading.Event()).run()


class Writer:
    """One owner of a set of partitions. `missing` is what a readiness check says, None when all is well."""

    def __init__(self, settings: WriterSettings, stop: threading.Event) -> None:
        self._settings = replace(settings, owner=settings.owner or f"{socket.gethostname()}:{os.getpid()}")
        self._stop = stop
        self._backoff_seconds = _FIRST_BACKOFF_SECONDS
        self.items = 0
        self.missing: str | None = "the writer has not begun"

    def run(self) -> int:
        """See `run_writer`."""
        while not self._stop.is_set():
            try:
                if self._session() is Ending.DONE:
                    break
            except (psycopg.OperationalError, psycopg.InterfaceError, DatabaseUnreachable) as error:
                self._wait("database", error)
            except psycopg.errors.UndefinedTable as error:
                raise MigrationError(
                    f"the database is not ours yet, run `mingcha db migrate`: {error.diag.message_primary}"
                ) from error
            except BrokerError as error:
                self._wait("broker", error)
        self.missing = "the writer has ended"
        return self.items

    def _session(self) -> Ending:
        settings = self._settings
        ensure_topics(settings.kafka, settings.replication)
        topics = describe_topics(settings.kafka)
        with connect(settings.database_url, application_name="mingcha writer", autocommit=True) as connection:
            prefer_fast_compression(connection)
            streams = {t.topic: stream_key_of(connection, t.topic, t.topic_id) for t in topics}
            with Source(settings.kafka, streams) as source:
                session = Session(settings, connection, source, topics, self._stop)
                log.info("writer_reads", extra={"owner": settings.owner, "streams": streams})
                self.missing = None
                self._backoff_seconds = _FIRST_BACKOFF_SECONDS
                try:
                    return session.run()
                finally:
                    self.items += session.items

    def _wait(self, part: str, error: Exception) -> None:
        self.missing = f"the {part} is away"
        metrics.SESSIONS_LOST.labels(part).inc()
        log.warning("writer_session_lost", extra={"part": part, "error": " ".join(str(error).split())})
        self._stop.wait(self._backoff_seconds)
        self._backoff_seconds = min(2 * self._backoff_seconds, _LAST_BACKOFF_SECONDS)
