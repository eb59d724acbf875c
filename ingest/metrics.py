"""What the doors count, one sentence each. Never labelled by MN, meter or gate: those live in SQL.

One process, one registry, one port: `prometheus_client`'s default registry.
"""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

FRAMES = Counter(
    "hj212_frames_total",
    "Packets cut from device sockets, by what the gateway made of them: kept, or the reason of refusal.",
    ["result"],
)
ANSWERS = Counter(
    "hj212_answers_total", "Answers written to device sockets after the broker acknowledged, by CN.", ["cn"]
)
UNANSWERED = Counter(
    "hj212_unanswered_total",
    "Packets nobody answered because the broker did not acknowledge them; the device sends them again.",
)
ANSWER_SECONDS = Histogram(
    "hj212_ack_seconds", "From a packet's last byte read to its answer written.", buckets=_SECONDS
)
CONNECTIONS = Gauge("device_connections", "Device sockets open now.")
CLOSED = Counter("device_connections_closed_total", "Device sockets closed, by reason.", ["reason"])
MOVED = Counter(
    "device_address_changes_total",
    "Times an MN of the registry spoke from another address than the one before: copied MN or moved device.",
)
BLOCKED_SECONDS = Counter(
    "ingest_blocked_seconds_total",
    "Seconds doors spent not reading because too many bytes wait for the broker.",
    ["door"],
)

LINES = Counter(
    "http_lines_total",
    "NDJSON lines received, by stream and by what became of them.",
    ["stream", "result"],
)
REQUESTS = Counter("http_requests_total", "POST requests, by stream and status.", ["stream", "status"])

RECORDS = Counter(
    "kafka_records_total",
    "Packed records handed to the broker, by topic and outcome: acknowledged or failed.",
    ["topic", "outcome"],
)
RECORD_ITEMS = Histogram(
    "kafka_record_items", "Items packed into one record.", buckets=(1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
)
WAITING_BYTES = Gauge(
    "kafka_waiting_bytes", "Bytes of items taken in and not acknowledged by the broker yet."
)
DEAD_LETTERS = Counter(
    "dead_letters_total", "Items refused at a door and kept as dead letters, by stage and reason.",
    ["stage", "reason"],
)  # fmt: skip
REGISTRY_REFRESHES = Counter(
    "registry_refreshes_total",
    "Times a door read the registry from the database, by outcome: loaded or failed.",
    ["outcome"],
)
