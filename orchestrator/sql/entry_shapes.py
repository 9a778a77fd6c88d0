"""The JSON of journal entries, whole and without what may be large, in the shapes that the command
line and the browser's pages of the protocol's clients read.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from orchestrator.model import values
from orchestrator.sql import words
from perdure.wire import codes
from perdure.wire.calls import AttachTarget, CallCommand, OneWayCallCommand
from perdure.wire.messages import Message
from perdure.wire.notifications import Notification
from perdure.wire.spanned import told_fields
from perdure.wire.values import Pairs, WireFailure, WorkflowTarget

Shape = dict[str, Any]


class Callee(msgspec.Struct, array_like=True):
    """A handler that may be called: its kind, as in model.values, and (completion, journal)
    retention in ms of calls without and with an idempotency key."""

    kind: int
    plain_ms: tuple[int, int] = (0, 0)
    idempotent_ms: tuple[int, int] = (0, 0)


KnownCallees = Mapping[tuple[str, str], Callee]
"""By service and handler, as they are registered now."""

_KEYED = {
    values.OBJECT_EXCLUSIVE: ("VirtualObject", "Exclusive"),
    values.OBJECT_SHARED: ("VirtualObject", "Shared"),
    values.WORKFLOW_RUN: ("Workflow", "Workflow"),
    values.WORKFLOW_SHARED: ("Workflow", "Shared"),
}
_NO_SPAN = {
    "span_context": {
        "trace_id": [0] * 16,
        "span_id": [0] * 8,
        "trace_flags": 0,
        "is_remote": False,
        "trace_state": "",
    },
    "cause": None,
}
_HEAVY = ("payload", "value", "parameter", "headers", "state_keys")


class Around(msgspec.Struct):
    """What shapes need beside the entry: who can be called, and the ids that calls were given."""

    callees: KnownCallees
    called: dict[int, str]  # completion id -> invocation id


def command(kind: str, message: Message, around: Around) -> tuple[Shape, Shape]:
    """A command whole, and light."""
    if isinstance(message, CallCommand | OneWayCallCommand):
        whole, light = _call(message, around)
    else:
        shape = _COMMANDS.get(kind, _plain)
        whole = shape(message) | {"name": _name(message)}
        light = {name: _light(value) for name, value in whole.items() if name not in _HEAVY}
    if not light.get("name"):
        light.pop("name", None)
    return {"Command": {kind: whole}}, {"Command": {kind: light}}


def notification(kind: str, message: Notification) -> tuple[Shape, Shape]:
    """A notification whole, and light."""
    result = _notified(message)
    if message.signal is not None:
        name = "Index" if isinstance(message.signal, int) else "Name"
        whole: Shape = {"Signal": {"id": {name: message.signal}, **result}}
        ty: Any = "Signal"
        identity: Shape = {f"Signal{name}": message.signal}
    else:
        body = {"completion_id": message.completion_id, **({} if kind == "Sleep" else result)}
        whole = {"Completion": {kind: body}}
        ty = {"Completion": kind}
        identity = {"CompletionId": message.completion_id}
    light = {
        "ty": ty,
        "id": identity,
        "result": _LIGHT_RESULT.get(next(iter(result))) or _light(result["result"]),
    }
    return {"Notification": whole}, {"Notification": light}


_LIGHT_RESULT = {"invocation_id": "InvocationId", "state_keys": "StateKeys"}


def name_of(message: Message) -> str:
    """The name a service gave to an entry, "" if none."""
    return _name(message)


def _name(message: Message) -> str:
    return str(getattr(message, "entry_name", None) or getattr(message, "name", ""))


def _light(value: Any) -> Any:
    """Of a result only whether it is one."""
    return next(iter(value)) if isinstance(value, dict) and _is_result(value) else value


def _is_result(value: Shape) -> bool:
    return "Success" in value or "Failure" in value


def _result(value: bytes | None, failure: WireFailure | None) -> Any:
    if failure is not None:
        shown: Shape = {"code": failure.code, "message": failure.message}
        if failure.metadata:
            shown["metadata"] = [{"key": key, "value": value} for key, value in failure.metadata]
        return {"Failure": shown}
    return "Void" if value is None else {"Success": list(value)}


def _notified(message: Notification) -> Shape:
    if message.invocation_id is not None:
        return {"invocation_id": message.invocation_id}
    if message.state_keys is not None:
        return {"state_keys": [words.text(key) for key in message.state_keys]}
    return {"result": _result(message.value, message.failure)}


def _headers(pairs: Pairs) -> list[Shape]:
    return [{"name": name, "value": value} for name, value in pairs]


def _call(message: CallCommand | OneWayCallCommand, around: Around) -> tuple[Shape, Shape]:
    number = message.invocation_id_notification_idx
    known = around.callees.get((message.service_name, message.handler_name))
    callee = known or Callee(values.OBJECT_EXCLUSIVE if message.key else values.SERVICE)
    whom = {
        "invocation_id": around.called.get(number),
        "invocation_target": _target(message, callee.kind),
    }
    kept = callee.plain_ms if message.idempotency_key is None else callee.idempotent_ms
    request = whom | {
        "span_context": _NO_SPAN,
        "parameter": list(message.parameter),
        "headers": _headers(message.headers),
        "idempotency_key": message.idempotency_key,
        "completion_retention_duration": _duration(kept[0]),
        "journal_retention_duration": _duration(kept[1]),
    }
    rest: Shape = {}
    if isinstance(message, OneWayCallCommand):
        rest["invoke_time"] = message.invoke_time
    rest["invocation_id_completion_id"] = number
    if isinstance(message, CallCommand):
        rest["result_completion_id"] = message.result_completion_id
    rest["name"] = message.name
    return {"request": request, **rest}, whom | rest


def _duration(milliseconds: int) -> Shape:
    seconds, rest = divmod(milliseconds, 1000)
    return {"secs": seconds, "nanos": rest * 1_000_000}


def _target(message: CallCommand | OneWayCallCommand, kind: int) -> Shape:
    service, handler = message.service_name, message.handler_name
    if kind not in _KEYED:
        return {"Service": {"name": service, "handler": handler, "scope": message.scope}}
    ty, handler_ty = _KEYED[kind]
    return {
        ty: {
            "name": service,
            "key": message.key,
            "handler": handler,
            "handler_ty": handler_ty,
            "scope": message.scope,
        }
    }


def _plain(message: Any) -> Shape:
    """The fields of a message as they are."""
    shown: Shape = {}
    for name in told_fields(message):
        value = getattr(message, name)
        if name == "result_completion_id":
            shown["completion_id"] = value
        elif name != "name":
            shown[name] = words.text(value) if isinstance(value, bytes) else value
    return shown


def _with_result(message: Any) -> Shape:
    return {"result": _result(message.value, message.failure)}


def _lookup(message: Any) -> Shape:
    return {
        "target": _named(message.target),
        "completion_id": message.result_completion_id,
    }


def _named(target: AttachTarget | None) -> Shape | None:
    if target is None:
        return None
    if isinstance(target, str):
        return {"InvocationId": target}
    kind = "Workflow" if isinstance(target, WorkflowTarget) else "IdempotentRequest"
    return {kind: {name: getattr(target, name) for name in told_fields(target)}}


def _signal(message: Any) -> Shape:
    name = "Index" if isinstance(message.signal, int) else "Name"
    return {
        "target_invocation_id": message.target_invocation_id,
        "signal_id": {name: message.signal},
        "result": _result(message.value, message.failure),
    }


_COMMANDS: dict[str, Callable[[Any], Shape]] = {
    "Input": lambda m: {"headers": _headers(m.headers), "payload": list(m.value or b"")},
    "Output": _with_result,
    "SetState": lambda m: {"key": words.text(m.key), "value": list(m.value or b"")},
    "GetEagerState": lambda m: {"key": words.text(m.key), "result": _result(m.value, None)},
    "GetEagerStateKeys": lambda m: {"state_keys": [words.text(key) for key in m.keys or ()]},
    "CompletePromise": lambda m: {
        "key": m.key,
        "value": _result(m.value, m.failure),
        "completion_id": m.result_completion_id,
    },
    "SendSignal": _signal,
    "CompleteAwakeable": lambda m: {"id": m.awakeable_id, **_with_result(m)},
    "AttachInvocation": _lookup,
    "GetInvocationOutput": _lookup,
}


def called_in(messages: list[tuple[int, Message | None]]) -> dict[int, str]:
    """The invocation ids that notifications brought."""
    return {
        message.completion_id: message.invocation_id
        for code, message in messages
        if code == codes.CALL_INVOCATION_ID_COMPLETION
        and isinstance(message, Notification)
        and message.invocation_id is not None
    }
