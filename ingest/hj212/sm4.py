"""The SM4 stage of HJ 212-2025 §6.4 (second-hand, see domain notes): ECB without padding.

Only whole blocks of 16 bytes between `CP=&&` and the closing `&&` are ciphered, the rest (under 16) stays
clear. CRC and length are made on the plain segment. On the wire we met raw bytes and the printed form
`{0x12,0x34,…}`, with the clear rest inside or outside the braces; both are read, raw bytes are written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ingest.hj212 import crc
from ingest.hj212.model import Crc, CrcKind

BLOCK = 16
_OPENS = re.compile(rb"CP\s*=\s*&&")
_PRINTED = re.compile(rb"\{\s*+((?:0[xX][0-9A-Fa-f]{1,2}[\s,]*+)++)([^{}]*+)\}")
_BYTE = re.compile(rb"0[xX]([0-9A-Fa-f]{1,2})")
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_NOT_PRINTABLE = re.compile(rb"[^\x20-\x7e]")


@dataclass(frozen=True)
class OpenedSegment:
    """A segment as it was signed, as far as the key allows."""

    segment: bytes
    crc: Crc
    ciphered: bool  # it came ciphered
    printed: bool  # in the form {0x..}
    readable: bool  # False: still ciphertext


def open_segment(segment: bytes, given: str, key: bytes | None) -> OpenedSegment:
    """Decide whether a segment is ciphertext, by its looks and its CRC, and open it with the key if so.

    Raises ValueError on a key that is not 16 bytes.
    """
    verdict = crc.check(segment, given)
    span = _area(segment)
    clear = OpenedSegment(segment, verdict, ciphered=False, printed=False, readable=True)
    if span is None:
        return clear
    start, end = span
    area = segment[start:end]
    # One ciphered frame in 256 has a right CRC as it stands, so the CRC alone decides nothing.
    if verdict.kind is CrcKind.HJ212 and not _looks_ciphered(area):
        return clear
    printed = _PRINTED.fullmatch(area.rstrip()) or _PRINTED.match(area)
    if printed is not None:
        blocks = bytes(int(m.group(1), 16) for m in _BYTE.finditer(printed.group(1)))
        wire = blocks + printed.group(2) + area[printed.end() :]
    else:
        wire = area
    if key is not None and (len(wire) >= BLOCK or printed is not None):
        plain_area = decrypt(wire, key)
        plain = segment[:start] + plain_area + segment[end:]
        opened = crc.check(plain, given)
        if opened.kind is CrcKind.HJ212 and not _looks_ciphered(plain_area):
            return OpenedSegment(plain, opened, ciphered=True, printed=printed is not None, readable=True)
    ciphered = printed is not None or _looks_ciphered(area)
    return OpenedSegment(
        segment, verdict, ciphered=ciphered, printed=printed is not None, readable=not ciphered
    )


def encrypt_segment(segment: bytes, key: bytes) -> bytes:
    """Cipher the data area of a plain segment. Raises ValueError on a key that is not 16 bytes."""
    span = _area(segment)
    if span is None:
        return segment
    start, end = span
    return segment[:start] + encrypt(segment[start:end], key) + segment[end:]


def encrypt(area: bytes, key: bytes) -> bytes:
    """Whole blocks ciphered, the rest as it is; the length stays. Raises ValueError on a wrong key."""
    whole = len(area) - len(area) % BLOCK
    encryptor = Cipher(algorithms.SM4(key), modes.ECB()).encryptor()
    return encryptor.update(area[:whole]) + encryptor.finalize() + area[whole:]


def decrypt(area: bytes, key: bytes) -> bytes:
    """The inverse of `encrypt`. Raises ValueError on a wrong key."""
    whole = len(area) - len(area) % BLOCK
    decryptor = Cipher(algorithms.SM4(key), modes.ECB()).decryptor()
    return decryptor.update(area[:whole]) + decryptor.finalize() + area[whole:]


def _area(segment: bytes) -> tuple[int, int] | None:
    opens = _OPENS.search(segment)
    if opens is None:
        return None
    end = segment.rfind(b"&&")
    return (opens.end(), end) if end >= opens.end() else None


def _looks_ciphered(area: bytes) -> bool:
    """A quarter of it is no printable ASCII, and it is no Chinese text either."""
    if 4 * len(_NOT_PRINTABLE.findall(area)) < len(area) or not area:
        return False
    if _CONTROL.search(area):
        return True
    return not any(_is_text(area, encoding) for encoding in ("utf-8", "gb18030"))


def _is_text(area: bytes, encoding: str) -> bool:
    try:
        area.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True
