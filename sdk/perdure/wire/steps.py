"""Runs and their results as a server reads them: one of each for every step.

Names repeat: the field of one that was found to be well-formed is not read again.
"""

from typing import Final

from perdure.wire.codes import RUN, RUN_COMPLETION
from perdure.wire.commands import read_run
from perdure.wire.frames import HEADER_BYTES, frame
from perdure.wire.notifications import decode_notification
from perdure.wire.proto3 import put_text

_NAMES_MAX: Final = 4096
_NAME_FIELD_BYTES_MAX: Final = 128
_name_fields: Final[set[bytes]] = set()

_RUN_HEAD: Final = frame(RUN, b"")[:4]  # code and flags
_RESULT_HEAD: Final = frame(RUN_COMPLETION, b"")[:4]
_ID_TAG: Final = 11 << 3  # of a run
_ID_AND_VALUE_TAGS: Final = bytes((1 << 3, 5 << 3 | 2))  # of its result, with a small id between


def read_run_id(run: bytes) -> int:
    """The completion id of a whole Run frame, 0 if it has none; raises WireError."""
    name_field = run[10:]
    if name_field in _name_fields and run[8] == _ID_TAG and run[9] < 0x80:
        return run[9]
    completion_id, name = read_run(run, HEADER_BYTES)
    if name and len(name_field) <= _NAME_FIELD_BYTES_MAX and name_field == put_text(12, name):
        if len(_name_fields) >= _NAMES_MAX:
            _name_fields.clear()
        _name_fields.add(name_field)
    return completion_id


def read_run_completion(stored: bytes) -> tuple[int, bool]:
    """The completion id of a whole RunCompletion frame, and whether it is a failure; raises
    WireError."""
    m = decode_notification(RUN_COMPLETION, stored, HEADER_BYTES)
    return m.completion_id, m.failure is not None


def read_step(run: bytes, stored: bytes) -> int:
    """The completion id of a whole Run frame and the RunCompletion of it with a value; 0 if they
    are not that, or not in the usual form."""
    if (
        run[10:] in _name_fields
        and stored[8:11:2] == _ID_AND_VALUE_TAGS
        and run[:4] == _RUN_HEAD
        and stored[:4] == _RESULT_HEAD
        and run[8] == _ID_TAG
    ):
        completion_id = stored[9]
        return completion_id if completion_id == run[9] and completion_id < 0x80 else 0
    return 0
