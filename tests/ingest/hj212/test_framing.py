from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.hj212 import Garbage, Packet, Splitter, decode
from ingest.hj212.framing import Piece
from ingest.hj212.sm4 import encrypt_segment
from tests.ingest.hj212.frames import GOLDEN, HOUR, REALTIME
from tests.ingest.hj212.strategies import streams

MAX = 600


def split(*chunks: bytes, max_length: int = 4096) -> list[Piece]:
    splitter = Splitter(max_length)
    pieces: list[Piece] = []
    for chunk in chunks:
        pieces += splitter.feed(chunk)
        assert splitter.pending <= max_length + 32
    return pieces + splitter.finish()


def packets(pieces: list[Piece]) -> list[bytes]:
    return [piece.raw for piece in pieces if isinstance(piece, Packet)]


@given(streams, st.data())
def test_the_cuts_do_not_depend_on_how_tcp_split_the_stream(stream: bytes, data: st.DataObject) -> None:
    whole = split(stream, max_length=MAX)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert split(*chunks, max_length=MAX) == whole
    assert split(*(stream[i : i + 1] for i in range(len(stream))), max_length=MAX) == whole


@given(st.one_of(streams, st.binary(max_size=2000)))
def test_every_byte_but_line_ends_comes_out_once_and_in_order(stream: bytes) -> None:
    at = 0
    for piece in split(stream, max_length=MAX):
        assert not stream[at : piece.offset].strip(b"\r\n")
        assert stream[piece.offset : piece.offset + len(piece.raw)] == piece.raw
        at = piece.offset + len(piece.raw)
    assert not stream[at:].strip(b"\r\n")


@given(st.lists(st.sampled_from(GOLDEN), min_size=1, max_size=5), st.binary(max_size=40))
def test_sound_packets_after_foreign_bytes_are_found(sent: list[bytes], noise: bytes) -> None:
    noise = noise.replace(b"#", b"?")
    assert packets(split(noise + b"".join(sent))) == sent


def test_garbage_between_packets_is_handed_out_with_its_place() -> None:
    pieces = split(REALTIME + b"noise" + HOUR)
    assert pieces == [
        Packet(REALTIME, 0),
        Garbage(b"noise", len(REALTIME), "bytes outside any frame"),
        Packet(HOUR, len(REALTIME) + 5),
    ]


def test_a_frame_that_breaks_off_does_not_swallow_the_next() -> None:
    assert packets(split(REALTIME[:200] + HOUR + REALTIME)) == [HOUR, REALTIME]


def test_the_frame_after_a_cut_one_is_not_held_back() -> None:
    splitter = Splitter()
    assert packets(splitter.feed(REALTIME[:30] + HOUR)) == [HOUR]


def test_missing_line_ends_are_no_obstacle() -> None:
    sent = [packet.removesuffix(b"\r\n") for packet in (REALTIME, HOUR, GOLDEN[0])]
    assert packets(split(b"".join(sent))) == sent
    assert packets(split(b"\n".join(sent))) == [sent[0] + b"\n", sent[1] + b"\n", sent[2]]


def test_a_quiet_line_gives_up_the_packet_that_lacks_only_its_line_end() -> None:
    splitter = Splitter()
    assert splitter.feed(REALTIME.removesuffix(b"\r\n")) == []
    assert packets(splitter.settle()) == [REALTIME.removesuffix(b"\r\n")]
    assert splitter.feed(b"\r\n") == []
    assert splitter.pending == 0


def test_a_quiet_line_keeps_half_a_packet() -> None:
    splitter = Splitter()
    for end in range(10, len(HOUR) - 6, 7):
        assert splitter.feed(HOUR[splitter.pending : end]) == [] == splitter.settle()
    assert packets(splitter.feed(HOUR[splitter.pending :])) == [HOUR]


def relabelled(packet: bytes, field: bytes) -> bytes:
    return b"##" + field + packet[6:]


def test_a_wrong_length_field_is_overruled_by_crc_and_line_end() -> None:
    for field in (b"0001", b"0200", b"0437", b"9999", b"436", b"36", b"0442"):
        wrong = relabelled(REALTIME, field)
        assert packets(split(wrong + HOUR)) == [wrong, HOUR]
        assert decode(wrong).ok


def test_a_length_that_counts_crc_and_line_end_cuts_at_once() -> None:
    wrong = relabelled(REALTIME, b"0442").replace(b"0D80\r\n", b"FFFF\r\n")
    splitter = Splitter()
    assert packets(splitter.feed(wrong)) == [wrong]
    assert "length_counts_tail" in {problem.code for problem in decode(wrong).problems}


def test_ciphertext_may_hold_anything_while_the_length_is_right() -> None:
    area = b"##0101&&1C80\r\n##0012&&" + bytes(range(64)) + b"&&AB12\r\n\r\n"
    segment = b"QN=20261120100000123;ST=31;CN=2011;PW=123456;MN=1;Flag=9;CP=&&" + area + b"&&"
    packet = b"##%04d" % len(segment) + segment + b"1C80\r\n"
    assert packets(split(packet + HOUR)) == [packet, HOUR]
    assert encrypt_segment(segment, bytes(16)) != segment


def test_memory_stays_bounded_whatever_is_sent() -> None:
    splitter = Splitter(MAX)
    for chunk in (b"x" * 100_000, b"##4000" + b"y" * 100_000, b"##" * 50_000, b"##0500&&A\r" * 5_000):
        for start in range(0, len(chunk), 997):
            splitter.feed(chunk[start : start + 997])
            assert splitter.pending <= MAX + 32
    splitter.finish()
    assert splitter.pending == 0


def test_a_sound_packet_after_endless_noise_is_found() -> None:
    assert packets(split(b"##4000" + b"y" * 10_000 + b"\r\n" + HOUR)) == [HOUR]
