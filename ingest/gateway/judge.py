"""What the gateway does with one packet: pure, from the packet and what the registry says of its MN.

Answers by edition are the codec's; which one is due: 9014 for data and uploads, 9013 for notices, 9011 with
QnRtn for a packet that asked for an answer and is refused (HJ 212-2017 §6.5, table 7).
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, replace

from domain.registry import Device, DeviceState
from ingest.hj212.encode import answer
from ingest.hj212.head import MN_LIMIT, Head, is_command, read_head
from ingest.hj212.model import CrcKind, Edition

#: Start-up, request for the time or a new key, heartbeat: notices, answered 9013.
NOTICES = frozenset({"2081", "1013", "1014", "9015"})
#: What a device answers to us; nobody answers an answer.
ANSWERS = frozenset({"9011", "9012", "9013", "9014"})

PW_WRONG, MN_WRONG, CN_WRONG, CRC_WRONG = 3, 4, 8, 9  # QnRtn, HJ 212-2017 table 7


@dataclass(frozen=True)
class Keep:
    """For raw.cems, on the partition of `subject`; `answer` is due once it is durable."""

    subject: str
    mn: str
    known: bool  # an active device; else kept and quarantined
    answer: bytes | None
    answer_cn: str


@dataclass(frozen=True)
class Refuse:
    """For the dead letters, with the reason as a word and as a sentence."""

    reason: str
    detail: str
    mn: str
    answer: bytes | None
    answer_cn: str = "9011"


def judge(packet: bytes, head: Head, device: Device | None) -> Keep | Refuse:
    """`head` as read without a key, `device` as the registry has it (None: never seen)."""
    if not head.mn or len(head.mn) > MN_LIMIT:
        return _refuse(head, "mn", f"the MN has {len(head.mn)} characters, 1 to {MN_LIMIT} are one", MN_WRONG)
    if device is not None:
        if head.crc is not CrcKind.HJ212 and device.sm4_key is not None:
            head = read_head(packet, device.sm4_key)
        if device.edition is not None:
            head = replace(head, edition=Edition(device.edition))
    kind = head.crc.name.lower()
    if head.crc is not CrcKind.HJ212 and (device is None or kind not in device.accepted_crc):
        return _refuse(head, "crc", f"the CRC is {kind}, which is not accepted from this device", CRC_WRONG)
    if not is_command(head.cn):
        return _refuse(head, "cn", "CN is not 4 digits: nobody knows what the packet says", CN_WRONG)
    password = device.password if device is not None else None
    if password is not None and not hmac.compare_digest(password.encode(), head.pw.encode()):
        return _refuse(head, "password", "the PW is not the registered one", PW_WRONG)
    cn = "9013" if head.cn in NOTICES else "9014"
    due = head.wants_answer and head.cn not in ANSWERS
    return Keep(
        subject=device.site_id if device is not None and device.site_id is not None else head.mn,
        mn=head.mn,
        known=device is not None and device.state is DeviceState.ACTIVE,
        answer=answer(head, cn) if due else None,
        answer_cn=cn,
    )


def _refuse(head: Head, reason: str, detail: str, qn_rtn: int) -> Refuse:
    due = head.wants_answer and bool(head.qn) and head.cn not in ANSWERS
    return Refuse(reason, detail, head.mn[:MN_LIMIT], answer(head, "9011", result=qn_rtn) if due else None)
