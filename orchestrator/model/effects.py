"""Effects: what journal entries ask of the machine, decoded once at the door.

A record carries the original frames and, beside them, these effects in the order of the frames.
Large values are not copied: `start` and `end` name their bytes within the frames of the record.
Kept in the log: never reuse a tag, never reorder a field.
"""

import msgspec

from orchestrator.model.invoke import Invoke
from orchestrator.model.values import Failure


class Effect(
    msgspec.Struct, array_like=True, frozen=True, gc=False, forbid_unknown_fields=True, tag=True
):
    """One thing an entry asks for."""


class SetOutput(Effect, frozen=True, tag=1):
    """The result so far: bytes [start:end] of the frames, or a failure."""

    start: int
    end: int
    failure: Failure | None = None


class SetState(Effect, frozen=True, tag=2):
    key: bytes
    start: int
    end: int


class ClearState(Effect, frozen=True, tag=3):
    key: bytes


class ClearAllState(Effect, frozen=True, tag=4):
    pass


class GetState(Effect, frozen=True, tag=5):
    """A lazy read: completes with the value or void."""

    key: bytes
    completion_id: int


class GetStateKeys(Effect, frozen=True, tag=6):
    completion_id: int


class GetPromise(Effect, frozen=True, tag=7):
    name: str
    completion_id: int


class PeekPromise(Effect, frozen=True, tag=8):
    name: str
    completion_id: int


class CompletePromise(Effect, frozen=True, tag=9):
    name: str
    completion_id: int
    start: int
    end: int
    failure: Failure | None = None


class Sleep(Effect, frozen=True, tag=10):
    due_ms: int
    completion_id: int


class Call(Effect, frozen=True, tag=11):
    """A call or, with `result_completion_id` 0, a send. The body of `invoke` is empty: it is
    bytes [start:end] of the frames. `invoke.caller` names the incarnation for calls."""

    invoke: Invoke
    start: int
    end: int
    id_completion_id: int
    result_completion_id: int


class SendSignal(Effect, frozen=True, tag=12):
    """Also the completion of an awakeable. Void if start < 0 and there is no failure."""

    target_id: bytes
    index: int  # 0: named
    name: str
    start: int
    end: int
    failure: Failure | None = None


class RunResult(Effect, frozen=True, tag=13):
    """The result of a run closure: frames [start:end] is its notification frame, whole."""

    completion_id: int
    failed: bool
    start: int
    end: int


class Attach(Effect, frozen=True, tag=14):
    target_id: bytes
    completion_id: int


class GetOutput(Effect, frozen=True, tag=15):
    target_id: bytes
    completion_id: int


class RequestAck(Effect, frozen=True, tag=16):
    """The service asked for an acknowledgement once this command is durable; 0 is the input."""

    command_index: int


AnyEffect = (
    SetOutput
    | SetState
    | ClearState
    | ClearAllState
    | GetState
    | GetStateKeys
    | GetPromise
    | PeekPromise
    | CompletePromise
    | Sleep
    | Call
    | SendSignal
    | RunResult
    | Attach
    | GetOutput
    | RequestAck
)
