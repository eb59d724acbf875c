"""The error tree of storage.

MingchaError
└── StorageError
    ├── DatabaseUnreachable   no server answers, or it refuses us
    ├── MigrationError        the schema cannot be brought to the version of this code
    ├── CopyError             columns do not fit the binary COPY format
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
    """Columns cannot be encoded, or the server took other rows than were sent."""


class UnknownSubject(StorageError):
    """An id the database does not hold."""
