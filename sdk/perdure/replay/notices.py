"""Notifications as a machine takes them: the key of their handle, the kind of result, the result.

The usual forms (a small completion id with a short value, or with nothing) are read without a
walk over the fields, which is a third of what a step costs.
"""

from typing import Any, Final

from perdure.replay.slot import FAILURE, INVOCATION_ID, STATE_KEYS, VALUE, VOID
from perdure.wire.codes import SIGNAL_NOTIFICATION
from perdure.wire.errors import WireError
from perdure.wire.frames import HEADER_BYTES
from perdure.wire.notifications import Notification, decode_notification

Notice = tuple[int | str, int, Any]
"""(number or name as in Slot.number, kind, result)."""

_ID_TAG: Final = 1 << 3
_VOID_TAG: Final = 4 << 3 | 2
_VALUE_TAG: Final = 5 << 3 | 2
_CONTENT_TAG: Final = 1 << 3 | 2


def read_notice(code: int, frame: bytes) -> Notice:
    """Read the whole frame of a notification; raises WireError."""
    size = len(frame)
    if size >= 12 and frame[8] == _ID_TAG and frame[9] < 0x80 and code != SIGNAL_NOTIFICATION:
        tag, length = frame[10], frame[11]
        if length < 0x80 and length + 12 == size and frame[9]:
            if tag == _VOID_TAG and length == 0:
                return frame[9], VOID, None
            if tag == _VALUE_TAG and length >= 2 and _fills(frame, length):
                return frame[9], VALUE, frame[14:]
    return _read_any(decode_notification(code, frame, HEADER_BYTES))


def _fills(frame: bytes, length: int) -> bool:
    return frame[12] == _CONTENT_TAG and frame[13] + 2 == length


def _read_any(m: Notification) -> Notice:
    signal = m.signal
    key: int | str = m.completion_id
    if signal is not None:
        key = signal if isinstance(signal, str) else -signal
        if key == 0:
            raise WireError("there is no signal 0")
    if m.value is not None:
        return key, VALUE, m.value
    if m.void:
        return key, VOID, None
    if m.failure is not None:
        return key, FAILURE, m.failure
    if m.invocation_id is not None:
        return key, INVOCATION_ID, m.invocation_id
    return key, STATE_KEYS, m.state_keys
