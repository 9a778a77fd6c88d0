"""From the command a service sends to the effect it asks for: one function per command. Pure.

Each gets the frame and the place it will have within the frames of its record, since large
values are named by where they are and not copied.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from orchestrator.door.keys import check_key, check_state_key
from orchestrator.door.targets import read_awakeable_id, read_invocation_id
from orchestrator.invoker import codes
from orchestrator.invoker.callees import Callees
from orchestrator.invoker.failures import CommandRefused, shortened
from orchestrator.invoker.urgency import LATER, NOW, SOON
from orchestrator.model import effects
from orchestrator.model.effects import AnyEffect
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import (
    CODE_INTERNAL,
    KAFKA,
    OBJECT_SHARED,
    SERVICE,
    WORKFLOW_KINDS,
    WRITES_STATE,
    Caller,
    Failure,
)
from perdure import wire
from perdure.wire import codes as code

_H: Final = wire.HEADER_BYTES
RUN_RESULT: Final = code.RUN_COMPLETION
_CODE_MAX: Final = 0xFFFF
_METADATA_CHARS_MAX: Final = 32 * 1024


class CommandContext(msgspec.Struct, gc=False):
    """What commands are resolved against: the invocation that sends them, and when."""

    invoke: Invoke
    incarnation: int
    callees: Callees
    now_ms: int = 0
    output_failed: bool = False  # the result so far is a failure


def failure_of(failure: wire.WireFailure) -> Failure:
    """A failure as records keep it: a code of 16 bits, texts that fit beside the frames."""
    known = 0 < failure.code <= _CODE_MAX
    metadata = failure.metadata
    if metadata and sum(len(k) + len(v) for k, v in metadata) > _METADATA_CHARS_MAX:
        metadata = ()
    return Failure(failure.code if known else CODE_INTERNAL, shortened(failure.message), metadata)


def stored_result(frame: bytes, protocol: int) -> tuple[int, bytes, bool]:
    """The proposed result of a run as it is stored: completion id, frame, whether it is a
    failure."""
    completion_id, value, why = wire.read_run_result(frame, _H)
    if why is None:
        return completion_id, wire.completion_value(RUN_RESULT, completion_id, value), False
    known = failure_of(why)
    failure = wire.WireFailure(known.code, known.message, known.metadata)
    stored = wire.completion_failure(RUN_RESULT, completion_id, failure, protocol)
    return completion_id, stored, True


def _required(completion_id: int) -> int:
    if not completion_id:
        raise CommandRefused(codes.PROTOCOL_VIOLATION, "a command has no completion id")
    return completion_id


def _state_key(door: CommandContext, key: bytes, *, write: bool) -> bytes:
    _may_use_state(door, write=write)
    return check_state_key(key)


def _may_use_state(door: CommandContext, *, write: bool) -> None:
    kind = door.invoke.kind
    if kind == SERVICE:
        raise CommandRefused(codes.PRECONDITION, "a plain service has no state")
    if write and kind not in WRITES_STATE:
        what = "object" if kind == OBJECT_SHARED else "workflow"
        raise CommandRefused(
            codes.PRECONDITION, f"a shared handler of a {what} cannot change state"
        )


def _promise_name(door: CommandContext, name: str) -> str:
    if door.invoke.kind not in WORKFLOW_KINDS:
        raise CommandRefused(codes.PRECONDITION, "only workflows have promises")
    check_key(name, "the name of a promise")
    return name


def _output(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    found = wire.read_output(frame, _H)
    if isinstance(found, wire.WireFailure):
        door.output_failed = True
        return effects.SetOutput(-1, -1, failure_of(found))
    door.output_failed = False
    return effects.SetOutput(base + found[0], base + found[1])


def _set_state(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_set_state(frame, _H)
    key = _state_key(door, m.key, write=True)
    return effects.SetState(key, base + m.value_span[0], base + m.value_span[1])


def _clear_state(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    return effects.ClearState(_state_key(door, wire.decode_clear_state(frame, _H).key, write=True))


def _clear_all_state(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    wire.decode_clear_all_state(frame, _H)
    _may_use_state(door, write=True)
    return effects.ClearAllState()


def _get_lazy_state(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_get_lazy_state(frame, _H)
    key = _state_key(door, m.key, write=False)
    return effects.GetState(key, _required(m.result_completion_id))


def _get_lazy_state_keys(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_get_lazy_state_keys(frame, _H)
    _may_use_state(door, write=False)
    return effects.GetStateKeys(_required(m.result_completion_id))


def _get_eager_state(door: CommandContext, frame: bytes, base: int) -> None:
    wire.decode_get_eager_state(frame, _H)
    _may_use_state(door, write=False)


def _get_eager_state_keys(door: CommandContext, frame: bytes, base: int) -> None:
    wire.decode_get_eager_state_keys(frame, _H)
    _may_use_state(door, write=False)


def _get_promise(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_get_promise(frame, _H)
    return effects.GetPromise(_promise_name(door, m.key), _required(m.result_completion_id))


def _peek_promise(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_peek_promise(frame, _H)
    return effects.PeekPromise(_promise_name(door, m.key), _required(m.result_completion_id))


def _complete_promise(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_complete_promise(frame, _H)
    name = _promise_name(door, m.key)
    completion_id = _required(m.result_completion_id)
    if m.failure is not None:
        return effects.CompletePromise(name, completion_id, -1, -1, failure_of(m.failure))
    if m.value is None:
        raise CommandRefused(codes.PROTOCOL_VIOLATION, "a promise is completed with nothing")
    start, end = m.value_span
    return effects.CompletePromise(name, completion_id, base + start, base + end)


def _sleep(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_sleep(frame, _H)
    return effects.Sleep(m.wake_up_time, _required(m.result_completion_id))


def _call(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_call(frame, _H)
    result_id = _required(m.result_completion_id)
    sink = Caller(door.invoke.id, door.incarnation, result_id)
    invoke = door.callees.invoke(door.invoke, m, sink, 0, door.now_ms)
    start, end = m.parameter_span
    if m.service_name == KAFKA:
        invoke = door.callees.send(invoke, m.parameter, True)
        end = _body_end(invoke, start, end)
    id_completion = _required(m.invocation_id_notification_idx)
    return effects.Call(invoke, base + start, base + end, id_completion, result_id)


def _one_way_call(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_one_way_call(frame, _H)
    invoke = door.callees.invoke(door.invoke, m, None, m.invoke_time, door.now_ms)
    start, end = m.parameter_span
    if m.service_name == KAFKA:
        invoke = door.callees.send(invoke, m.parameter, False)
        end = _body_end(invoke, start, end)
    id_completion = _required(m.invocation_id_notification_idx)
    return effects.Call(invoke, base + start, base + end, id_completion, 0)


def _body_end(invoke: Invoke, start: int, end: int) -> int:
    """The body of a `Kafka/send` is kept only if it cannot be read."""
    assert invoke.produce is not None
    return end if invoke.produce.refusal else start


def _send_signal(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_send_signal(frame, _H)
    target_id = read_invocation_id(m.target_invocation_id)
    index, name = (0, m.signal) if isinstance(m.signal, str) else (m.signal or 0, "")
    if not index and not isinstance(m.signal, str):
        raise CommandRefused(codes.PROTOCOL_VIOLATION, "a signal has neither number nor name")
    check_key(name, "the name of a signal")
    if m.failure is not None:
        return effects.SendSignal(target_id, index, name, -1, -1, failure_of(m.failure))
    if m.value is None:
        return effects.SendSignal(target_id, index, name, -1, -1)
    start, end = m.value_span
    return effects.SendSignal(target_id, index, name, base + start, base + end)


def _complete_awakeable(door: CommandContext, frame: bytes, base: int) -> AnyEffect | None:
    m = wire.decode_complete_awakeable(frame, _H)
    awakeable = read_awakeable_id(m.awakeable_id)
    if awakeable.legacy:
        return None  # no invocation here has one: as for any target that is not known
    target_id, index = awakeable.invocation_id, awakeable.signal_index
    if m.failure is not None:
        return effects.SendSignal(target_id, index, "", -1, -1, failure_of(m.failure))
    if m.value is None:
        raise CommandRefused(codes.PROTOCOL_VIOLATION, "an awakeable is completed with nothing")
    start, end = m.value_span
    return effects.SendSignal(target_id, index, "", base + start, base + end)


def _run(door: CommandContext, frame: bytes, base: int) -> None:
    _required(wire.read_run_id(frame))


def _attach(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_attach_invocation(frame, _H)
    completion_id = _required(m.result_completion_id)
    return effects.Attach(door.callees.target_id(m.target), completion_id)


def _get_output(door: CommandContext, frame: bytes, base: int) -> AnyEffect:
    m = wire.decode_get_invocation_output(frame, _H)
    completion_id = _required(m.result_completion_id)
    return effects.GetOutput(door.callees.target_id(m.target), completion_id)


Entry = Callable[[CommandContext, bytes, int], AnyEffect | None]

ENTRIES: Final[dict[int, tuple[Entry, int]]] = {
    code.OUTPUT: (_output, LATER),
    code.GET_LAZY_STATE: (_get_lazy_state, NOW),
    code.SET_STATE: (_set_state, SOON),
    code.CLEAR_STATE: (_clear_state, SOON),
    code.CLEAR_ALL_STATE: (_clear_all_state, SOON),
    code.GET_LAZY_STATE_KEYS: (_get_lazy_state_keys, NOW),
    code.GET_EAGER_STATE: (_get_eager_state, LATER),
    code.GET_EAGER_STATE_KEYS: (_get_eager_state_keys, LATER),
    code.GET_PROMISE: (_get_promise, NOW),
    code.PEEK_PROMISE: (_peek_promise, NOW),
    code.COMPLETE_PROMISE: (_complete_promise, NOW),
    code.SLEEP: (_sleep, NOW),
    code.CALL: (_call, NOW),
    code.ONE_WAY_CALL: (_one_way_call, SOON),
    code.SEND_SIGNAL: (_send_signal, SOON),
    code.RUN: (_run, LATER),
    code.ATTACH_INVOCATION: (_attach, NOW),
    code.GET_INVOCATION_OUTPUT: (_get_output, NOW),
    code.COMPLETE_AWAKEABLE: (_complete_awakeable, SOON),
}
"""By message code: the function, and how long the entry may wait."""
