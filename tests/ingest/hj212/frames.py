"""Public frames and made ones, shared by the tests of the codec."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ingest.hj212.batch import decode_batch
from ingest.hj212.model import FrameColumns, ReadingColumns

DATA = Path(__file__).parents[2] / "data"
MN = "010000A8900016F000169DC0"

#: HJ 212-2017's own example, packets of public repositories, and packets made from the standard's tables.
GOLDEN = [line.encode() + b"\r\n" for line in f"""\
##0101QN=20160801085857223;ST=32;CN=1062;PW=100000;MN={MN};Flag=5;CP=&&RtdInterval=30&&1C80
##0094QN=20231008125115215;ST=22;CN=9011;PW=123456;MN={MN};Flag=4;CP=&&QnRtn=1&&CC01
##0137QN=20231008130452757;ST=22;CN=2081;PW=123456;MN={MN};Flag=5;CP=&&DataTime=20231008130452;RestartTime=20231007130452&&3AC0
##0162QN=20231008123340461;ST=22;CN=2011;PW=123456;MN={MN};Flag=5;CP=&&DataTime=20231008123340;w01008-SampleTime=20231008123340,w01008-Rtd=123.456&&F441
##0109ST=32;CN=2011;PW=123456;MN=NJGDKYYC202101q0001w0001;CP=&&DataTime=20210305003817000;ele01-Rtd=1;ele02-Rtd=0&&8c41
##0234ST=101;CN=2011;PW=123456;MN=41050022000017;CP=&&DataTime=20200922110000;a34010-Rtd=2.017,a34010-Flag=N;a34009-Rtd=0.522,a34009-Flag=N;ua19004-Rtd=2.017,ua19004-Flag=N;ua19005-Rtd=0.522,ua19005-Flag=N;ua19003-Rtd=2.539,ua19003-Flag=N&&3300
##0285QN=20190925181031464;ST=22;CN=2061;PW=BF470F88957588DE902D1A52;MN=Z13401000010301;Flag=5;CP=&&DataTime=20190924220000;a34006-Avg=2.69700,a34006-Flag=N;a34007-Avg=7.96600,a34007-Flag=N;a34048-Avg=3.30600,a34048-Flag=N;a34047-Avg=7.35700,a34047-Flag=N;a34049-Avg=10.66300,a34049-Flag=N&&C181
##0436QN=20261120100000123;ST=31;CN=2011;PW=123456;MN={MN};Flag=5;CP=&&DataTime=20261120100000;a34013-Rtd=3.2,a34013-ZsRtd=3.4,a34013-Flag=N;a21026-Rtd=12.30,a21026-ZsRtd=13.18,a21026-Flag=N;a21002-Rtd=31.5,a21002-ZsRtd=33.8,a21002-Flag=N;a19001-Rtd=7.0,a19001-Flag=N;a01011-Rtd=11.20,a01011-Flag=N;a01012-Rtd=52.1,a01012-Flag=N;a01013-Rtd=-0.150,a01013-Flag=N;a01014-Rtd=9.8,a01014-Flag=N;a00000-Rtd=155.0,a00000-Flag=N&&0D80
##0087QN=20261120100000123;ST=91;CN=9014;PW=123456;MN={MN};Flag=4;CP=&&&&C301
##0245QN=20261120110000001;ST=31;CN=2061;PW=123456;MN={MN};Flag=5;CP=&&DataTime=20261120100000;a21026-Cou=6.9,a21026-Min=9.10,a21026-Avg=12.40,a21026-Max=18.00,a21026-ZsMin=9.70,a21026-ZsAvg=13.29,a21026-ZsMax=19.30,a21026-Flag=N&&5280
##0154QN=20261120110000002;ST=31;CN=2061;PW=123456;MN={MN};Flag=7;PNUM=2;PNO=1;CP=&&DataTime=20261120100000;a21026-Avg=12.40,a21026-Flag=N&&F441
##0153QN=20261120110000003;ST=31;CN=2061;PW=123456;MN={MN};Flag=7;PNUM=2;PNO=2;CP=&&DataTime=20261120100000;a21002-Avg=31.9,a21002-Flag=N&&8941
##0157QN=20261120100500000;ST=31;CN=3020;PW=123456;MN={MN};Flag=5;CP=&&DataTime=20261120100459;PolId=a21026;i13007-Info=0.00;i13008-Info=0.60&&4680
""".splitlines()]  # fmt: skip

REALTIME, HOUR = GOLDEN[7], GOLDEN[9]


@cache
def field_frames() -> list[dict[str, Any]]:
    return _lines("field_frames.jsonl")


@cache
def field_segments() -> list[dict[str, Any]]:
    return _lines("field_segments.jsonl")


def _lines(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DATA / name).read_text(encoding="utf-8").splitlines()]


def raw_frames() -> list[bytes]:
    """Every public and made frame as bytes."""
    public = [entry["raw"] for entry in field_frames()] + [entry["framed"] for entry in field_segments()]
    return GOLDEN + [text.encode() for text in public]


def batch(packets: Iterable[bytes]) -> tuple[FrameColumns, ReadingColumns]:
    """The batch path over packets laid one after the other, with foreign bytes before, between and after."""
    packets = list(packets)
    gap = b"##0"
    lengths = np.array([len(packet) for packet in packets], np.int64)
    offsets = np.cumsum(lengths + len(gap)) - lengths
    return decode_batch(gap + gap.join(packets) + gap, offsets, lengths)
