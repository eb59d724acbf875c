"""The error tree of storage.

MingchaError
└── StorageError
    ├── DatabaseUnreachable   no server answers, or it refuses us
    ├── MigrationError        the schema cannot be brought to the version of this code
    ├── CopyError             columns or rows do not fit the binary COPY format
    └── UnknownSubject        an outlet, meter, gate, device, frame or run that is not in the database
"""

from __future__ import annotations

from domain.errors import MingchaError


class StorageError(MingchaError):
    """Base of everything storage raises on purpose."""


class DatabaseUnreachable(StorageError):
    """No connection; names host, port and database, never the password."""


class MigrationError(StorageError):
    """A migration cannot be applied; names the file."""


class CopyError(StorageError):
    """A column cannot be encoded, or rows read back do not have the layout asked for."""


class UnknownSubject(StorageError):
    """An id the database does not hold."""
