"""What a writer is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WriterSettings:
    """`partitions` None takes all. `until_drained` ends the writer once everything there is stored.

    `owner` is shown beside the positions it moves.
    """

    database_url: str
    kafka: str
    partitions: tuple[int, ...] | None = None
    until_drained: bool = False
    owner: str = ""
    replication: int = 1  # of topics it has to make
