"""The error tree of the domain.

MingchaError
├── DataFileError      a standards file does not fit its schema
├── BundleError        an import directory does not fit the bundle contract
└── UnknownName        a code, id or word nobody defined
"""

from __future__ import annotations


class MingchaError(Exception):
    """Base of every error we raise on purpose; its text is a sentence the reader can act on."""


class DataFileError(MingchaError):
    """A file of `domain/data` is wrong; names the file and the entry."""


class BundleError(MingchaError):
    """A bundle cannot be read; names the file, the row and the column."""


class UnknownName(MingchaError):
    """A factor, flag dictionary, rule or legal basis that is not in our data."""
