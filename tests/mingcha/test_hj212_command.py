"""The command as an outsider meets it: a process with bytes in, lines and an exit code out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ingest.hj212.frames import DATA, GOLDEN, HOUR, REALTIME, field_frames
from tests.ingest.hj212.test_sm4 import CIPHERED, KEY

KEYS = {
    "ok", "edition", "qn", "st", "cn", "pw", "mn", "flag", "pnum", "pno", "resent", "data_time", "interval",
    "fields", "readings", "crc", "problems", "offset", "length",
}  # fmt: skip


def run(*words: str, given: bytes = b"") -> tuple[int, bytes, str]:
    done = subprocess.run(
        [sys.executable, "-m", "mingcha", "hj212", *words], input=given, capture_output=True, check=False
    )
    return done.returncode, done.stdout, done.stderr.decode()


def decoded(*words: str, given: bytes = b"") -> tuple[int, list[dict[str, Any]]]:
    code, out, _ = run("decode", *words, "--json", given=given)
    return code, [json.loads(line) for line in out.splitlines()]


def test_a_byte_stream_gives_a_line_per_frame_and_per_garbage() -> None:
    code, lines = decoded("-", given=REALTIME + b"noise" + HOUR)
    assert code == 1
    assert [line["ok"] for line in lines] == [True, False, True]
    assert [line["offset"] for line in lines] == [0, len(REALTIME), len(REALTIME) + 5]
    assert all(set(line) == KEYS for line in lines)
    assert lines[1]["problems"][0] == {
        "code": "not_a_frame", "offset": 0, "text": "bytes outside any frame", "severity": "refusal",
    }  # fmt: skip


def test_the_words_of_a_line_are_those_promised() -> None:
    code, (line,) = decoded("-", given=HOUR)
    assert code == 0
    assert line["data_time"] == "2026-11-20T10:00:00+08:00"
    assert (line["edition"], line["interval"], line["resent"], line["flag"]) == ("2017", "hour", False, 5)
    assert line["crc"] == {"given": "5280", "computed": "5280", "kind": "hj212"}
    assert line["fields"][1] == ["a21026-Cou", "6.9"]
    assert line["problems"] == []
    assert line["readings"] == [
        {
            "code": "a21026", "factor": "a21026", "avg": 12.4, "min": 9.1, "max": 18.0,
            "converted_avg": 13.29, "converted_min": 9.7, "converted_max": 19.3, "total": 6.9,
            "flag": "N", "extra": [],
        }
    ]  # fmt: skip


def test_a_text_file_with_one_frame_a_line_is_read(tmp_path: Path) -> None:
    file = tmp_path / "frames.txt"
    file.write_bytes(b"\n".join(packet.strip() for packet in GOLDEN))
    code, lines = decoded(str(file))
    assert code == 0 and len(lines) == len(GOLDEN)


def test_json_lines_with_raw_are_read() -> None:
    code, lines = decoded(str(DATA / "field_frames.jsonl"))
    assert code == 1
    assert [line["ok"] for line in lines] == [entry["crc_ok"] for entry in field_frames()]


def test_a_foreign_crc_is_accepted_when_asked() -> None:
    (swapped,) = [e["raw"].encode() for e in field_frames() if e["raw"].endswith("524F\r\n")]
    assert decoded("-", given=swapped)[0] == 1
    code, (line,) = decoded("-", "--accept-crc", "modbus,modbus_swapped", given=swapped)
    assert code == 0 and line["ok"] and line["crc"]["kind"] == "modbus_swapped"
    assert "crc_modbus_swapped" in {problem["code"] for problem in line["problems"]}


def test_a_key_opens_a_ciphered_frame() -> None:
    code, (line,) = decoded("-", "--key", KEY.hex(), given=CIPHERED)
    assert code == 0 and line["readings"][0]["avg"] == 12.3
    assert decoded("-", given=CIPHERED)[0] == 1


def test_what_decode_prints_encode_writes() -> None:
    sound = [packet for packet in GOLDEN if b"Flag=5;" in packet]
    _, out, _ = run("decode", "-", "--json", given=b"".join(sound))
    code, frames, _ = run("encode", "-", given=out)
    assert code == 0 and frames == b"".join(sound)


def test_encode_names_the_line_that_cannot_be_written() -> None:
    lines = b'{"cn": "9013", "mn": "A1"}\n{"cn": "9013"}\nnonsense\n'
    code, frames, errors = run("encode", "-", given=lines)
    assert code == 1 and frames.count(b"##") == 1
    assert "line 2: mn" in errors and "line 3" in errors


@pytest.mark.parametrize(
    "words",
    [("decode", "/no/such/file"), ("decode", "-", "--key", "00"), ("decode", "-", "--accept-crc", "x")],
)
def test_wrong_use_is_exit_code_2(words: tuple[str, ...]) -> None:
    assert run(*words)[0] == 2


def test_without_json_people_get_a_table() -> None:
    code, out, _ = run("decode", "-", given=REALTIME)
    assert code == 0 and "a21026" in out.decode() and "1 ok, 0 refused" in out.decode()
