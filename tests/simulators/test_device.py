"""A simulated device keeps its promises: resends the identical frame, journals what it was told."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from ingest.hj212 import Garbage, Packet, Splitter, answer, read_head
from simulators.device import Device, Disturbance, Retry, Tally
from simulators.journal import Event, Journal, JournalError, answered, fingerprint, read_journal
from tests.ingest.doors import frame

MN = "SIMULATED00001"
FRAMES = [frame(MN, n) for n in range(30)]


class Host:
    """A listener that writes down the packets it gets and answers each one after it has ignored a few."""

    def __init__(self, ignore_first: int = 0) -> None:
        self.packets: list[bytes] = []
        self.garbage: list[bytes] = []
        self.chunks = 0
        self._ignore_first = ignore_first

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        splitter = Splitter()
        while chunk := await reader.read(65536):
            self.chunks += 1
            for piece in splitter.feed(chunk):
                if isinstance(piece, Garbage):
                    self.garbage.append(piece.raw)
                    continue
                assert isinstance(piece, Packet)
                self.packets.append(piece.raw)
                head = read_head(piece.raw)
                if head.crc.name == "HJ212" and self.packets.count(piece.raw) > self._ignore_first:
                    writer.write(answer(head, "9014"))
        writer.close()


def send(
    path: Path,
    host: Host,
    disturbance: Disturbance | None = None,
    frames: list[bytes] = FRAMES,
    seed: int = 1,
    window: int = 1,
) -> Tally:
    async def scenario() -> Tally:
        server = await asyncio.start_server(host, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        retry = Retry(over_time_seconds=0.2, re_count=5)
        with Journal(path) as journal:
            async with Device(
                "127.0.0.1", port, journal, Random(seed), disturbance=disturbance, retry=retry, window=window
            ) as device:
                tally = await device.send(frames)
        server.close()
        await asyncio.sleep(0)
        return tally

    return asyncio.run(scenario())


def test_an_unanswered_frame_is_sent_again_byte_for_byte(tmp_path: Path) -> None:
    host = Host(ignore_first=2)

    tally = send(tmp_path / "j.jsonl", host, frames=FRAMES[:2])

    assert host.packets == [FRAMES[0]] * 3 + [FRAMES[1]] * 3
    assert (tally.answered, tally.attempts, tally.gave_up) == (2, 6, 0)


def test_after_all_attempts_a_frame_is_given_up_and_journaled_so(tmp_path: Path) -> None:
    tally = send(tmp_path / "j.jsonl", Host(ignore_first=99), frames=FRAMES[:1])

    events = [entry.event for entry in read_journal(tmp_path / "j.jsonl")]
    assert (tally.answered, tally.gave_up) == (0, 1)
    assert events == [Event.SENT] * 6 + [Event.GAVE_UP]


@pytest.mark.parametrize("window", [1, 8])
def test_through_every_disturbance_each_frame_is_answered_and_journaled(tmp_path: Path, window: int) -> None:
    host = Host()
    disturbance = Disturbance(
        duplicate=0.2, reorder=0.2, corrupt=0.2, split=0.5, noise=0.1, hang_up=0.1
    )  # fmt: skip

    tally = send(tmp_path / "j.jsonl", host, disturbance, window=window)

    assert tally.answered == tally.frames == len(FRAMES)
    assert set(answered(read_journal(tmp_path / "j.jsonl"))) == {fingerprint(f) for f in FRAMES}
    assert host.garbage
    assert max(Counter(host.packets).values()) > 1
    assert host.chunks > len(FRAMES)
    first_seen = list(dict.fromkeys(p for p in host.packets if p in FRAMES))
    assert first_seen != FRAMES  # some changed places


def test_the_same_seed_disturbs_the_same_frames(tmp_path: Path) -> None:
    disturbance = Disturbance(duplicate=0.3, reorder=0.3, corrupt=0.3)
    packets = []
    for name in ("a", "b"):
        host = Host()
        send(tmp_path / name, host, disturbance)
        packets.append(host.packets)

    assert packets[0] == packets[1]


def test_a_torn_last_line_of_a_journal_is_left_out_and_a_broken_one_is_named(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    send(path, Host(), frames=FRAMES[:1])
    whole = path.read_text()

    path.write_text(whole + '{"event": "sen')
    assert len(list(read_journal(path))) == 2

    path.write_text(whole + "broken\n")
    with pytest.raises(JournalError, match="line 3"):
        list(read_journal(path))
