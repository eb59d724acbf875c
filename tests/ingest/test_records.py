from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.records import Item, Kind, RecordError, pack, unpack
from ingest.topics import PARTITIONS, partition_of

items = st.builds(
    Item,
    body=st.binary(max_size=200),
    received_us=st.integers(0, 2**62),
    peer=st.text(st.characters(codec="ascii"), max_size=40),
)


@given(st.sampled_from(Kind), st.lists(items, min_size=1, max_size=30))
def test_what_is_packed_comes_out_as_it_was(kind: Kind, packed: list[Item]) -> None:
    value = pack(kind, packed)
    record = unpack(value)
    assert record.kind is kind
    assert [
        Item(record.body(i), int(record.received_us[i]), record.peer_of(i)) for i in range(len(record))
    ] == packed
    for i in range(len(record)):
        start, length = int(record.offsets[i]), int(record.lengths[i])
        assert value[start : start + length] == packed[i].body


@given(st.lists(items, min_size=1, max_size=5), st.integers(0, 10_000))
def test_a_cut_record_is_refused_with_a_reason(packed: list[Item], cut: int) -> None:
    value = pack(Kind.HJ212, packed)
    with pytest.raises(RecordError):
        unpack(value[: cut % len(value)])


@given(st.binary(max_size=300))
def test_foreign_bytes_are_refused_or_read_but_never_crash(value: bytes) -> None:
    try:
        record = unpack(value)
    except RecordError:
        return
    assert int(record.lengths.sum()) <= len(value)


def test_a_site_always_has_the_same_partition() -> None:
    assert partition_of("LJ-001") == partition_of("LJ-001")
    assert {partition_of(f"LJ-{n:03d}") for n in range(200)} == set(range(PARTITIONS))
