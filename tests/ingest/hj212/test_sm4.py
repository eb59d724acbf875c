from __future__ import annotations

import pytest

from ingest.hj212 import CrcKind, Packet, Splitter, decode, frame_segment, read_head
from ingest.hj212.sm4 import decrypt, encrypt, encrypt_segment
from tests.ingest.hj212.frames import MN

#: GB/T 32907-2016 appendix A.1.
GBT_KEY = bytes.fromhex("0123456789abcdeffedcba9876543210")
GBT_CIPHER = bytes.fromhex("681edf34d206965e86b3e94f536e4246")
KEY = b"0000000000000000"  # the test key of HJ 212-2025 Annex A.2
AREA = b"DataTime=20261120100000;a21026-Rtd=12.30,a21026-Flag=N;a21002-Rtd=31.5,a21002-Flag=N"
SEGMENT = b"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN=%b;Flag=9;CP=&&%b&&" % (MN.encode(), AREA)


def framed(segment: bytes, signed: bytes) -> bytes:
    """A wire segment under length and CRC of the plain one."""
    plain = frame_segment(signed)
    return plain[:6] + segment + plain[-6:]


CIPHERED = framed(encrypt_segment(SEGMENT, KEY), SEGMENT)


def printed(inside: bool) -> bytes:
    cipher = encrypt(AREA, KEY)
    whole = len(AREA) - len(AREA) % 16
    listed, rest = b",".join(b"0x%02X" % byte for byte in cipher[:whole]), cipher[whole:]
    area = b"{%b%b}" % (listed, rest) if inside else b"{%b}%b" % (listed, rest)
    return framed(SEGMENT.replace(AREA, area), SEGMENT)


def test_one_block_is_the_example_of_the_cipher_standard() -> None:
    assert encrypt(GBT_KEY, GBT_KEY) == GBT_CIPHER
    assert decrypt(GBT_CIPHER, GBT_KEY) == GBT_KEY


def test_whole_blocks_are_ciphered_and_the_rest_stays_clear() -> None:
    cipher = encrypt(AREA, KEY)
    assert len(cipher) == len(AREA) and cipher[-(len(AREA) % 16) :] == AREA[-(len(AREA) % 16) :]
    assert cipher[:16] != AREA[:16] and decrypt(cipher, KEY) == AREA
    assert encrypt(b"short", KEY) == b"short"


@pytest.mark.parametrize("packet", [CIPHERED, printed(inside=True), printed(inside=False)])
def test_a_ciphered_frame_opens_with_its_key(packet: bytes) -> None:
    frame = decode(packet, key=KEY)
    assert frame.ok and frame.crc is not None and frame.crc.kind is CrcKind.HJ212
    assert [(r.code, r.avg, r.flag) for r in frame.readings] == [("a21026", 12.3, "N"), ("a21002", 31.5, "N")]
    assert frame.payload_hash == decode(framed(SEGMENT, SEGMENT)).payload_hash
    assert read_head(packet, KEY).crc is CrcKind.HJ212


@pytest.mark.parametrize("packet", [CIPHERED, printed(inside=True), printed(inside=False)])
@pytest.mark.parametrize("key", [None, bytes(16)])
def test_a_ciphered_frame_without_its_key_is_refused_with_the_reason(
    packet: bytes, key: bytes | None
) -> None:
    frame = decode(packet, key=key)
    assert not frame.ok and not frame.readings
    assert "ciphered" in {problem.code for problem in frame.problems}
    assert (frame.mn, frame.cn, frame.flag) == (MN, "2011", 9)


def test_a_clear_frame_from_a_device_with_a_key_is_read_as_it_is() -> None:
    assert decode(framed(SEGMENT, SEGMENT), key=KEY).ok


@pytest.mark.parametrize("packet", [CIPHERED, printed(inside=True), printed(inside=False)])
def test_the_splitter_cuts_ciphered_frames(packet: bytes) -> None:
    splitter = Splitter()
    pieces = splitter.feed(packet * 3) + splitter.finish()
    assert [piece.raw for piece in pieces if isinstance(piece, Packet)] == [packet] * 3


def test_a_key_of_another_length_is_wrong_use() -> None:
    with pytest.raises(ValueError, match="key"):
        decode(CIPHERED, key=b"short")
