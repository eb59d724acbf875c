"""JSON log lines on stderr: time, level, logger, event, and the fields given with `extra=`.

An event is a name such as `device_connected`, not a sentence; what varies is a field. Passwords, PWs and
tokens have no place in a field; those whose name says so are blanked all the same.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_SECRET = frozenset({"pw", "password", "token", "authorization", "sm4_key", "database_url"})

#: Libraries that tell of every reconnect attempt; ours say the same once, with the consequence.
_QUIET = {"kafka": logging.CRITICAL, "uvicorn.access": logging.WARNING, "uvicorn.error": logging.WARNING}


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                fields[name] = "***" if name in _SECRET else value
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False, default=str)


def log_to_stderr(level: str = "INFO") -> None:
    """Make JSON lines the only log of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name, threshold in _QUIET.items():
        logging.getLogger(name).setLevel(threshold)
