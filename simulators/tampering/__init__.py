"""Acts of tampering: separate, composable, each with its recorded truth."""

from simulators.tampering.act import Act
from simulators.tampering.declared import LongFault, MarkedStopped
from simulators.tampering.replay import CrossReplay, OffsetReplay, Replay
from simulators.tampering.reported import HoursEdited, OxygenForgedLow, WrongReference
from simulators.tampering.treatment import TreatmentIdling, TreatmentOff
from simulators.tampering.truth import Note, Truth
from simulators.tampering.values import ClippedBelowLimit, ConstantValue

__all__ = [
    "Act",
    "ClippedBelowLimit",
    "ConstantValue",
    "CrossReplay",
    "HoursEdited",
    "LongFault",
    "MarkedStopped",
    "Note",
    "OffsetReplay",
    "OxygenForgedLow",
    "Replay",
    "TreatmentIdling",
    "TreatmentOff",
    "Truth",
    "WrongReference",
]
