"""What a writer counts, one sentence each. Never labelled by MN: per-device counts live in `ingest_count`."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

ITEMS = Counter(
    "ingest_items_total",
    "Items consumed, by stream and by what became of them: stored, duplicate, conflict or dead_letter.",
    ["stream", "outcome"],
)
ROWS = Counter("ingest_rows_total", "Rows written, by table.", ["table"])
BATCHES = Counter("ingest_batches_total", "Transactions committed.")
SORTED = Counter(
    "ingest_sorted_batches_total",
    "Batches in which a table held one of the keys already and its rows were sorted, by table.",
    ["table"],
)
STORE_SECONDS = Histogram(
    "ingest_store_seconds", "From a batch taken to its commit.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)  # fmt: skip
BATCH_ROWS = Histogram(
    "copy_batch_rows",
    "Rows of a transaction, all tables.",
    buckets=(10, 100, 1000, 5000, 10000, 20000, 50000),
)
LAG_SECONDS = Gauge(
    "ingest_lag_seconds",
    "Receive time of the newest item stored against now, once the writer has caught up 0.",
)
LAG_RECORDS = Gauge("ingest_lag_records", "Kafka records known to be there and not stored yet.")
SESSIONS_LOST = Counter(
    "ingest_sessions_lost_total", "Times database or broker was lost and the writer began anew.", ["part"]
)
