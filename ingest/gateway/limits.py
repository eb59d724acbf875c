"""What one device, and all of them together, may ask of a gateway."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Every bound is finite so that memory is; the producer's `bound_bytes` is the one for all sockets."""

    max_packet_bytes: int = 4096  # a segment is at most 1024, field devices send up to 1,700
    max_connections: int = 25_000
    max_unacknowledged_bytes: int = 256 * 1024  # of one socket; beyond it the socket is not read
    settle_seconds: float = 1.0  # of quiet, after which a packet without line end is taken as whole
    packet_seconds: float = 30.0  # from the first byte of a packet to its last
    idle_seconds: float = 4500.0  # an hour and a quarter: some devices send only hour data
    answer_seconds: float = 10.0  # for a device to take the answers written to it
    max_refusals_in_a_row: int = 200  # then the socket is closed
