from __future__ import annotations

import random

import numpy as np
import pytest

from ingest.hj212.crc import check, crc_hj212, crc_modbus
from ingest.hj212.model import CrcKind
from ingest.hj212.scan import crc_by_four


def annex_a(segment: bytes) -> int:
    """HJ 212-2017 Annex A, bit by bit."""
    register = 0xFFFF
    for byte in segment:
        register = (register >> 8) ^ byte
        for _ in range(8):
            register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    return register


@pytest.mark.parametrize(
    ("segment", "expected"),
    [(b"", 0xFFFF), (b"Q", 0xBC81), (b"QN", 0x8581), (b"123456789", 0x2F80)],
)
def test_the_steps_printed_in_annex_a_come_out(segment: bytes, expected: int) -> None:
    assert crc_hj212(segment) == expected == annex_a(segment)


def test_modbus_is_another_check() -> None:
    assert crc_modbus(b"123456789") == 0x4B37


def test_look_ups_agree_with_annex_a_bit_by_bit() -> None:
    chance = random.Random(212)
    for length in range(1, 200):
        segment = chance.randbytes(length)
        expected = annex_a(segment)
        assert crc_hj212(segment) == expected
        assert crc_by_four(np.frombuffer(segment, np.uint8), 0, length) == expected


def test_only_256_values_exist() -> None:
    chance = random.Random(1)
    assert len({crc_hj212(chance.randbytes(20)) for _ in range(20_000)}) == 256


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("2F80", CrcKind.HJ212),
        ("2f80", CrcKind.HJ212),
        ("4B37", CrcKind.MODBUS),
        ("374B", CrcKind.MODBUS_SWAPPED),
        ("FFFF", CrcKind.WRONG),
        ("GZ12", CrcKind.WRONG),
        ("", CrcKind.ABSENT),
    ],
)
def test_the_kind_of_a_crc_is_recognised(given: str, kind: CrcKind) -> None:
    assert check(b"123456789", given).kind is kind


def test_a_crc_that_lost_its_leading_zero_is_right() -> None:
    segment = next(s for s in (str(i).encode() for i in range(10_000)) if 0x100 < crc_hj212(s) < 0x1000)
    assert check(segment, f"{crc_hj212(segment):X}").kind is CrcKind.HJ212
