from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.hj212 import decode, encode
from ingest.hj212.batch import decode_batch
from ingest.hj212.scan import decimal
from tests.ingest.hj212.agreement import assert_paths_agree
from tests.ingest.hj212.frames import GOLDEN, batch
from tests.ingest.hj212.strategies import damaged, drafts, numbers, signed_anew, streams


@given(st.lists(st.one_of(damaged(), signed_anew(), streams, st.binary(max_size=60)), min_size=1, max_size=8))
@settings(max_examples=300)
def test_both_paths_agree_on_whatever_the_batch_path_takes(packets: list[bytes]) -> None:
    assert_paths_agree(packets)


@given(st.lists(drafts(), min_size=1, max_size=4))
def test_both_paths_agree_on_frames_of_every_edition(messages: list[object]) -> None:
    assert_paths_agree([packet for draft in messages for packet in encode(draft)])  # type: ignore[arg-type]


@given(st.one_of(numbers, st.text("0123456789.+-e", max_size=25)))
@settings(max_examples=1000)
def test_a_number_is_read_bit_for_bit_as_python_reads_it_or_refused(text: str) -> None:
    value = decimal(np.frombuffer(text.encode(), np.uint8), 0, len(text)) if text else np.nan
    if not np.isnan(value):
        assert float(value).hex() == float(text).hex()


def test_ordinary_numbers_are_not_refused() -> None:
    for text in (
        "0",
        "-0.0",
        "12.40",
        ".5",
        "5.",
        "+7",
        "235.292750833832",
        "7.15293021684183",
        "162762.484",
    ):
        value = decimal(np.frombuffer(text.encode(), np.uint8), 0, len(text))
        assert float(value).hex() == float(text).hex()


def test_a_frame_the_batch_refuses_leaves_no_rows() -> None:
    broken = GOLDEN[7].replace(b"155.0", b"155.1")
    frames, rows = batch([GOLDEN[9], broken, GOLDEN[9]])
    assert frames.ok.tolist() == [True, False, True]
    assert frames.readings.tolist() == [1, 0, 1]
    assert rows.frame.tolist() == [0, 2]


def test_frames_may_lie_in_any_order_in_the_buffer() -> None:
    buffer = GOLDEN[7] + GOLDEN[9]
    frames, rows = decode_batch(
        buffer, np.array([len(GOLDEN[7]), 0], np.int64), np.array([len(GOLDEN[9]), len(GOLDEN[7])], np.int64)
    )
    assert frames.cn.tolist() == [2061, 2011]
    assert rows.frame.tolist() == [0] + [1] * 9


def test_an_empty_batch_is_empty() -> None:
    none = np.empty(0, np.int64)
    frames, rows = decode_batch(b"", none, none)
    assert len(frames.ok) == len(rows.frame) == 0


def test_offsets_outside_the_buffer_are_refused() -> None:
    packet = GOLDEN[7]
    frames, _ = decode_batch(
        packet, np.array([0, -5, 10, 10_000], np.int64), np.array([len(packet) + 9, 50, -3, 200], np.int64)
    )
    assert not frames.ok.any()


def test_two_threads_give_what_one_gives() -> None:
    packets = GOLDEN * 50
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(batch, (packets[:300], packets[300:])))
    frames, rows = batch(packets)
    for name in ("ok", "mn", "key_time", "payload_hash"):
        joined = np.concatenate([getattr(half[0], name) for half in halves])
        assert (joined == getattr(frames, name)).all()
    joined = np.concatenate([half[1].avg for half in halves])
    assert np.array_equal(joined, rows.avg, equal_nan=True)
    assert decode(packets[0]).ok
