"""NumPy columns to PostgreSQL rows, by COPY in its binary format.

A structured array of big-endian fields with constant length words *is* that format. A NULL or a text of
another length is another layout, so rows are grouped by layout and each group is one structured array.
Format: PostgreSQL manual, COPY, "Binary Format".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
from psycopg import sql

from storage.errors import CopyError

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

#: 2000-01-01 UTC in µs since 1970: where PostgreSQL counts from.
POSTGRES_EPOCH_US = 946_684_800_000_000

_NULL = -1
_INET_V4, _INET_V6 = b"\x02\x20\x00\x04", b"\x03\x80\x00\x10"  # family, prefix bits, is_cidr, address bytes
_DENSE = 4096  # lengths up to here are counted by table

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Column:
    """Values as the server wants them and how many bytes each takes, -1 for NULL.

    `values` is a numeric array, an S array (byte-exact, its padding is cut at the length) or a list of bytes.
    """

    values: Array | Sequence[bytes]
    lengths: npt.NDArray[np.int32] | int

    def __len__(self) -> int:
        return len(self.values)

    def take(self, rows: npt.NDArray[np.intp] | slice, length: int) -> Array:
        """The values of these rows, all `length` bytes long."""
        if isinstance(self.values, np.ndarray):
            return self.values[rows]
        chosen = self.values[rows] if isinstance(rows, slice) else [self.values[i] for i in rows]
        return np.array(chosen, f"S{length}")

    def field(self, length: int) -> str:
        if isinstance(self.values, np.ndarray) and self.values.dtype.kind != "S":
            return self.values.dtype.newbyteorder(">").str
        return f"S{length}"


def int2(values: npt.ArrayLike) -> Column:
    return _number(values, "i2")


def int4(values: npt.ArrayLike) -> Column:
    return _number(values, "i4")


def int8(values: npt.ArrayLike) -> Column:
    return _number(values, "i8")


def float8(values: npt.ArrayLike) -> Column:
    """Double precision; NaN stays NaN."""
    return _number(values, "f8")


def nullable_float8(values: npt.ArrayLike) -> Column:
    """Double precision; NaN becomes NULL."""
    column = _number(values, "f8")
    return Column(column.values, np.where(np.isnan(np.asarray(column.values)), _NULL, 8).astype(np.int32))


def timestamptz(microseconds: npt.ArrayLike) -> Column:
    """int64 µs since 1970 UTC."""
    column = _number(microseconds, "i8")
    return Column(np.asarray(column.values) - POSTGRES_EPOCH_US, 8)


def text(values: npt.NDArray[np.bytes_] | Sequence[str]) -> Column:
    """UTF-8 in an S array, or strings. Raises CopyError on what PostgreSQL text cannot hold."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "S":
        array = np.ascontiguousarray(values)
    else:
        encoded = [value.encode() for value in values]
        _refuse((i for i, value in enumerate(encoded) if b"\0" in value), "holds a NUL")
        array = np.array(encoded, np.bytes_) if encoded else np.empty(0, "S1")
    lengths = np.strings.str_len(array).astype(np.int32)
    octets = array.view(np.uint8)
    if np.count_nonzero(octets) != lengths.sum():
        _refuse((i for i, value in enumerate(array.tolist()) if b"\0" in value), "holds a NUL")
    if octets.size and octets.max() >= 0x80:
        _refuse((i for i, value in enumerate(array.tolist()) if not _is_utf8(value)), "is not UTF-8")
    return Column(array, lengths)


def nullable_text(values: npt.NDArray[np.bytes_] | Sequence[str]) -> Column:
    """As `text`; an empty one becomes NULL."""
    column = text(values)
    return Column(column.values, np.where(column.lengths == 0, _NULL, column.lengths).astype(np.int32))


def bytea(values: npt.NDArray[np.uint8] | Sequence[bytes]) -> Column:
    """Rows of a (n, width) uint8 array, or a list of bytes of any lengths (few of them)."""
    if isinstance(values, np.ndarray):
        width = values.shape[1]
        return Column(np.ascontiguousarray(values).view(f"S{width}").reshape(len(values)), width)
    return Column(values, np.array([len(value) for value in values], np.int32))


def inet(addresses: Sequence[str], index: npt.NDArray[np.integer[Any]]) -> Column:
    """Row i is `addresses[index[i]]`, an IPv4 or IPv6 address. Raises CopyError on anything else."""
    encoded = []
    for address in addresses:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            raise CopyError(f"{address!r} is not an IP address") from None
        encoded.append((_INET_V4 if parsed.version == 4 else _INET_V6) + parsed.packed)
    lengths = np.array([len(value) for value in encoded], np.int32)
    return Column(np.array(encoded, "S20")[index], lengths[index])


def encode(columns: Sequence[Column]) -> Iterator[bytes]:
    """The rows as blocks of the binary format, without header and trailer.

    Rows come grouped by layout, inside a group in the order given. Raises CopyError on unequal columns.
    """
    size = len(columns[0])
    if any(len(column) != size for column in columns):
        raise CopyError(f"columns of one table differ in length: {[len(column) for column in columns]}")
    if size == 0:
        return
    for rows, first in _layouts(columns, size):
        lengths = [c.lengths if isinstance(c.lengths, int) else int(c.lengths[first]) for c in columns]
        fields: list[tuple[str, str]] = [("count", ">i2")]
        for i, (column, length) in enumerate(zip(columns, lengths, strict=True)):
            fields.append((f"length{i}", ">i4"))
            if length > 0:
                fields.append((f"value{i}", column.field(length)))
        block = np.empty(size if isinstance(rows, slice) else len(rows), np.dtype(fields))
        block["count"] = len(columns)
        for i, (column, length) in enumerate(zip(columns, lengths, strict=True)):
            block[f"length{i}"] = length
            if length > 0:
                block[f"value{i}"] = column.take(rows, length)
        yield block.tobytes()


def copy_rows(cursor: psycopg.Cursor[Any], table: str, columns: Mapping[str, Column]) -> int:
    """Append rows to a table and return how many.

    Constraint violations come as psycopg errors, the transaction is the caller's. Raises CopyError when the
    columns cannot be encoded or the server counted other rows than were sent.
    """
    values = list(columns.values())
    size = len(values[0])
    if size == 0:
        return 0
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with cursor.copy(statement) as copy:
        copy.write(HEADER)
        for block in encode(values):
            copy.write(block)
        copy.write(TRAILER)
    if cursor.rowcount != size:
        raise CopyError(f"{table}: sent {size} rows, the server took {cursor.rowcount}")
    return size


def _number(values: npt.ArrayLike, kind: str) -> Column:
    array, wanted = np.asarray(values), np.dtype(kind)
    if array.size and array.dtype != wanted:
        if wanted.kind == "i":
            _require_range(array, wanted)
        array = array.astype(wanted)
    return Column(array.astype(wanted, copy=False), wanted.itemsize)


def _require_range(array: Array, wanted: np.dtype[Any]) -> None:
    limits = np.iinfo(wanted)
    if array.dtype.kind not in "iub" or int(array.min()) < limits.min or int(array.max()) > limits.max:
        raise CopyError(f"{array.dtype} values from {array.min()} to {array.max()} do not fit {wanted}")


def _layouts(columns: Sequence[Column], size: int) -> Iterator[tuple[npt.NDArray[np.intp] | slice, int]]:
    """Rows of equal lengths in every column, with the first of them; one slice when all rows are alike."""
    code: npt.NDArray[np.int64] | None = None
    codes = 1
    for column in columns:
        if isinstance(column.lengths, int):
            continue
        digit, digits = _digits(column.lengths)
        if digits == 1:
            continue
        code = digit if code is None else code * digits + digit
        codes *= digits
        if codes > 1 << 16:
            seen, code = np.unique(code, return_inverse=True)
            codes = len(seen)
    if code is None:
        yield slice(None), 0
        return
    # sixteen bits sort by radix, several times faster
    order = np.argsort(code.astype(np.uint16) if codes <= 1 << 16 else code, kind="stable")
    ordered = code[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    for start, end in zip(starts, [*starts[1:], size], strict=True):
        rows = order[start:end]
        yield rows, int(rows[0])


def _digits(lengths: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], int]:
    if int(lengths.max()) > _DENSE:
        seen, digit = np.unique(lengths, return_inverse=True)
        return digit.astype(np.int64), len(seen)
    present = np.bincount(lengths - _NULL) > 0
    rank = np.cumsum(present) - 1
    return rank[lengths - _NULL].astype(np.int64), int(rank[-1]) + 1


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse(rows: Iterator[int], what: str) -> None:
    row = next(rows, None)
    if row is not None:
        raise CopyError(f"text of row {row} {what}")
