"""Conditions to the flag letters of a device, as the dictionary it speaks has them."""

from __future__ import annotations

from functools import cache

from domain.standards import CONDITION_CODES, Condition, flag_dictionary

#: What a device says when its dictionary has no word for a condition.
INSTEAD = {
    Condition.MISSING: (Condition.COMMS_FAULT, Condition.FAULT),
    Condition.STARTING: (Condition.VALID,),
    Condition.STOPPING: (Condition.VALID,),
    Condition.BANKED: (Condition.STOPPED,),
}


@cache
def letters(dictionary_id: str) -> tuple[str, ...]:
    """Flag by condition code; '' for a condition the device cannot mean."""
    known = {meaning.condition: meaning.flag for meaning in reversed(flag_dictionary(dictionary_id).flags)}
    found = [""] * len(CONDITION_CODES)
    for condition, code in CONDITION_CODES.items():
        for word in (condition, *INSTEAD.get(condition, ())):
            if word in known:
                found[code] = known[word]
                break
    return tuple(found)
