"""Errors that stop a writer; everything else it survives.

MingchaError
├── storage.intake.Fenced   another writer owns a partition
├── RecordsGone             the broker deleted records before they were stored
└── WriterStuck             record after record cannot be stored: the fault is ours
"""

from __future__ import annotations

from domain.errors import MingchaError


class RecordsGone(MingchaError):
    """Acknowledged records were deleted unread; names partition and offsets."""


class WriterStuck(MingchaError):
    """Too many records in a row could not be stored: dead letters must not swallow a topic."""
