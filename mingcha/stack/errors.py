"""Errors of the local stack; each text is one sentence that says what to do."""

from __future__ import annotations

from domain.errors import MingchaError


class StackError(MingchaError):
    """A part of the local stack could not start or died."""
