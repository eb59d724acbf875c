"""HJ 212 codec (2005, 2017, 2025): bytes to frames and back. Pure: no sockets, files or clocks."""

from ingest.hj212.crc import crc_hj212
from ingest.hj212.decode import decode, key_time
from ingest.hj212.encode import FrameDraft, answer, encode, frame_segment, reading_group
from ingest.hj212.framing import Garbage, Packet, Splitter
from ingest.hj212.head import Head, read_head
from ingest.hj212.model import CrcKind, Edition, Frame, Problem, ReadingValue, Severity

__all__ = [
    "CrcKind",
    "Edition",
    "Frame",
    "FrameDraft",
    "Garbage",
    "Head",
    "Packet",
    "Problem",
    "ReadingValue",
    "Severity",
    "Splitter",
    "answer",
    "crc_hj212",
    "decode",
    "encode",
    "frame_segment",
    "key_time",
    "read_head",
    "reading_group",
]
