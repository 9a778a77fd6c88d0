"""Words for the numbers in rows, as people see them: kinds, statuses, targets, failures."""

import base64
from http import HTTPStatus

from orchestrator.model import values
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import Attempted, Failure, Future
from perdure.wire.ids import invocation_id_to_str

SERVICE_TY = {
    values.SERVICE: "service",
    values.OBJECT_EXCLUSIVE: "virtual_object",
    values.OBJECT_SHARED: "virtual_object",
    values.WORKFLOW_RUN: "workflow",
    values.WORKFLOW_SHARED: "workflow",
}
INVOKED_BY = {
    values.BY_INGRESS: "ingress",
    values.BY_SERVICE: "service",
    values.BY_SUBSCRIPTION: "subscription",
    values.BY_RESTART: "restart_as_new",
}
_CODE_NAMES = {status.value: status.phrase for status in HTTPStatus} | {
    500: "Internal",
    570: "Journal mismatch",
    571: "Protocol violation",
}
_COMBINATORS = (
    "Unknown",
    "FirstCompleted",
    "AllCompleted",
    "FirstSucceededOrAllFailed",
    "AllSucceededOrFirstFailed",
)


def partition_key(invocation_id: bytes) -> int:
    return int.from_bytes(invocation_id[:8], "big")


def id_or_none(invocation_id: bytes) -> str | None:
    return invocation_id_to_str(invocation_id) if invocation_id else None


def target(invoke: Invoke) -> str:
    """`Service/handler` or `Service/key/handler`."""
    keyed = f"{invoke.key}/" if invoke.kind != values.SERVICE else ""
    return f"{invoke.service}/{keyed}{invoke.handler}"


def failure_text(value: Failure) -> str:
    return f"[{value.code}] {value.message}"


def attempt_failure(why: Attempted) -> str:
    """Why an attempt failed: code, its name, message, and below them the stack trace."""
    name = _CODE_NAMES.get(why.code)
    head = f"[{why.code} {name}] {why.message}" if name else f"[{why.code}] {why.message}"
    return f"{head}\n{why.stacktrace}" if why.stacktrace else head


def utf8(raw: bytes) -> str | None:
    """The text of some bytes, None if they are none."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return None


def text(raw: bytes) -> str:
    """The text of some bytes, or base64 of what is none."""
    decoded = utf8(raw)
    return base64.b64encode(raw).decode() if decoded is None else decoded


def future(waiting: Future) -> dict[str, object]:
    """An awaited future as JSON-able values."""
    inner: list[object] = [{"Single": {"CompletionId": one}} for one in waiting.completions]
    inner += [{"Single": {"SignalIndex": one}} for one in waiting.signals]
    inner += [{"Single": {"SignalName": one}} for one in waiting.names]
    inner += [future(nested) for nested in waiting.nested]
    return {_COMBINATORS[waiting.combinator]: inner}
