"""The topics, and which partition a site belongs to.

All topics have the same number of partitions and one partition rule, so that every stream of a plant shares
a partition number and with it an order.
"""

from __future__ import annotations

import zlib
from enum import StrEnum

PARTITIONS = 8


class Topic(StrEnum):
    CEMS = "raw.cems"  # HJ 212 frames, and reading lines of imports
    POWER = "raw.power"
    GATE = "raw.gate"
    DEAD_LETTER = "dead.letter"  # what a door refused, on its way to the dead_letter table


def partition_of(subject: str, partitions: int = PARTITIONS) -> int:
    """The partition of a site id (of an MN while its site is unknown). Stable: part of the data contract."""
    return zlib.crc32(subject.encode()) % partitions
