"""A decoded frame as plain JSON values and back: the contract of `mingcha hj212 decode --json`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from typing import Any

from domain.clock import as_utc, in_shanghai
from ingest.hj212.encode import EncodeError, FrameDraft, Group
from ingest.hj212.head import ANSWER_BIT
from ingest.hj212.model import Edition, Frame
from ingest.hj212.times import parse_time

_LEADING_FIELDS = ("DataTime",)


def frame_report(frame: Frame, offset: int) -> dict[str, Any]:
    """One frame as JSON values. `offset` is where its first byte stands in the input.

    ok            its readings may be used: CRC of an accepted kind and no problem of severity "refusal"
    edition       "2005" | "2017" | "2025" | null
    qn st cn pw mn  as sent, "" when absent
    flag pnum pno   integers or null
    resent        RF=1
    data_time     ISO 8601 with +08:00, or null
    interval      "realtime" | "minute" | "hour" | "day" | null, by CN
    fields        [name, value] of the data area, in order, as sent
    readings      code, factor (HJ 212-2017 code or null), avg, min, max, converted_avg, converted_min,
                  converted_max, total (numbers or null), flag, extra ([suffix, text] pairs)
    crc           given, computed (4 hex digits), kind: hj212 | modbus | modbus_swapped | wrong | absent
    problems      code, offset (bytes from ##), text, severity: note | doubt | refusal
    offset length where the bytes stand in the input
    """
    crc = frame.crc
    return {
        "ok": frame.ok,
        "edition": frame.edition,
        "qn": frame.qn,
        "st": frame.st,
        "cn": frame.cn,
        "pw": frame.pw,
        "mn": frame.mn,
        "flag": frame.flag,
        "pnum": frame.pnum,
        "pno": frame.pno,
        "resent": frame.resent,
        "data_time": None if frame.data_time is None else in_shanghai(frame.data_time).isoformat(),
        "interval": frame.interval,
        "fields": [list(field) for field in frame.fields],
        "readings": [asdict(reading) for reading in frame.readings],
        "crc": None if crc is None else {**asdict(crc), "kind": crc.kind.name.lower()},
        "problems": [asdict(problem) for problem in frame.problems],
        "offset": offset,
        "length": len(frame.raw),
    }


def draft_of(report: Mapping[str, Any]) -> FrameDraft:
    """What `mingcha hj212 encode` is asked to send; the object `decode --json` printed serves as well.

    cn, mn        required
    edition       "2005" | "2017" (default) | "2025"
    st pw         default "31" and "123456"
    qn data_time  ISO 8601 (naive is Asia/Shanghai) or the digits of the standard; absent when null
    flag          its bit 0 asks for an answer; or wants_answer, default true
    resent        RF=1, 2025 only
    fields        [name, value] of the data area; DataTime among them counts when data_time is absent
    Raises EncodeError naming the key that does not fit.
    """
    try:
        pairs = [(str(name), str(value)) for name, value in report.get("fields") or ()]
    except (TypeError, ValueError):
        raise EncodeError("fields: give a list of [name, value] pairs") from None
    sent_time = next((value for name, value in pairs if name in _LEADING_FIELDS), None)
    flag = report.get("flag")
    if flag is not None and not isinstance(flag, int):
        raise EncodeError(f"flag: {flag!r} is not a whole number")
    wanted = report.get("wants_answer", True) if flag is None else flag & ANSWER_BIT
    return FrameDraft(
        edition=_edition(report.get("edition")),
        cn=_text(report, "cn", None),
        mn=_text(report, "mn", None),
        st=_text(report, "st", "31"),
        pw=_text(report, "pw", "123456"),
        qn=_time("qn", report.get("qn")),
        data_time=_time("data_time", report.get("data_time") or sent_time),
        groups=_groups([pair for pair in pairs if pair[0] not in _LEADING_FIELDS]),
        wants_answer=bool(wanted),
        resent=bool(report.get("resent")),
    )


def _groups(pairs: Sequence[tuple[str, str]]) -> tuple[Group, ...]:
    """Neighbouring items of one code together; an item without a code alone."""

    def code_or_place(entry: tuple[int, tuple[str, str]]) -> str | int:
        place, (name, _) = entry
        return name.rpartition("-")[0] or place

    return tuple(
        tuple(pair for _, pair in entries) for _, entries in groupby(enumerate(pairs), code_or_place)
    )


def _edition(value: object) -> Edition:
    try:
        return Edition.HJ_2017 if value is None else Edition(str(value))
    except ValueError:
        raise EncodeError(f"edition: {value!r} is not 2005, 2017 or 2025") from None


def _text(report: Mapping[str, Any], key: str, default: str | None) -> str:
    value = report.get(key, default)
    if not isinstance(value, str):
        raise EncodeError(f"{key}: give it as text, not {value!r}")
    return value


def _time(key: str, value: object) -> datetime | None:
    if value is None or value == "":
        return None
    text = str(value)
    if re.fullmatch(r"\d{14}|\d{17}", text):
        time = parse_time(text)
    else:
        try:
            time = as_utc(datetime.fromisoformat(text))
        except (ValueError, OverflowError):
            time = None
    if time is None:
        raise EncodeError(f"{key}: {text[:40]!r} is no time")
    return time
