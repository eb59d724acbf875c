"""Times as HJ 212 writes them: digits without zone, meant as Asia/Shanghai."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.clock import SHANGHAI, in_shanghai


def parse_time(digits: str) -> datetime | None:
    """`YYYYMMDDhhmmss`, with or without three digits of milliseconds, to aware UTC; None when no time."""
    if len(digits) not in (14, 17) or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        local = datetime(
            int(digits[:4]), int(digits[4:6]), int(digits[6:8]),
            int(digits[8:10]), int(digits[10:12]), int(digits[12:14]),
            int(digits[14:] or 0) * 1000, tzinfo=SHANGHAI,
        )  # fmt: skip
        return local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def format_time(time: datetime) -> str:
    """Aware time to `YYYYMMDDhhmmss` on the clock of Asia/Shanghai."""
    return f"{in_shanghai(time):%Y%m%d%H%M%S}"


def format_qn(time: datetime) -> str:
    """Aware time to the 17 digits of QN, milliseconds cut, not rounded."""
    local = in_shanghai(time)
    return f"{local:%Y%m%d%H%M%S}{local.microsecond // 1000:03d}"
