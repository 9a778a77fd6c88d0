"""The machine that replays one attempt of an invocation: bytes in, bytes out, no clock, no I/O.

`Machine` has a method for each thing that code can ask of it; results come in `Slot`s.
"""

from perdure.replay.errors import (
    Closed,
    Mismatch,
    ProtocolViolation,
    ReplayError,
    TooMuchBuffered,
    Unsupported,
)
from perdure.replay.machine import Machine
from perdure.replay.slot import Slot, Waiter

__all__ = [
    "Closed",
    "Machine",
    "Mismatch",
    "ProtocolViolation",
    "ReplayError",
    "Slot",
    "TooMuchBuffered",
    "Unsupported",
    "Waiter",
]
