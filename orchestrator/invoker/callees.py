"""Calls, sends and attaches resolved at the door: what they mean, before the log. Pure."""

from collections.abc import Callable
from typing import Final

from orchestrator.invoker import codes
from orchestrator.invoker.failures import Refusal
from orchestrator.model.ids import idempotent_id, partition_of, placed_key, workflow_id
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import HEADERS_BYTES_MAX, KEY_BYTES_MAX
from orchestrator.model.values import BY_SERVICE, WORKFLOW_RUN, Caller
from orchestrator.registry.durations import DURATION_MS_MAX
from orchestrator.registry.resolve import invocation_id_for, make_invoke
from orchestrator.registry.schema import Handler, Registry
from perdure.wire import BadId, Call, IdempotentRequestTarget, OneWayCall, Target, WorkflowTarget
from perdure.wire import parse_invocation_id as parse_id

_IDENTITY_BYTES: Final = 16


def check_key(text: str, what: str) -> None:
    """Keys become keys of rows: they have a length."""
    if len(text) > KEY_BYTES_MAX // 4 and len(text.encode()) > KEY_BYTES_MAX:
        raise Refusal(codes.PRECONDITION, f"{what} is longer than {KEY_BYTES_MAX} bytes")


def target_name(service: str, handler: str, key: str) -> str:
    """How people see a target: `Service/handler` or `Object/key/handler`."""
    return f"{service}/{key}/{handler}" if key else f"{service}/{handler}"


def read_id(text: str) -> bytes:
    """The bytes of an invocation id that a service gave."""
    try:
        return parse_id(text)
    except BadId as error:
        raise Refusal(codes.PRECONDITION, str(error)) from None


class Callees:
    """Resolves targets over the newest metadata."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        partition_count: int,
        random64: Callable[[], int],
        random_bytes: Callable[[int], bytes],
    ) -> None:
        self._registry = registry
        self._partition_count = partition_count
        self._random64 = random64
        self._random_bytes = random_bytes

    def invoke(
        self,
        caller: Invoke,
        m: Call | OneWayCall,
        sink: Caller | None,
        start_at_ms: int,
        now_ms: int,
    ) -> Invoke:
        """The Invoke of a call or send, without its body; raises Refusal."""
        handler = self._registry().handler(m.service_name, m.handler_name)
        if handler is None:
            raise self._unknown(m.service_name, m.handler_name)
        _check(handler, m)
        idempotency_key = None if handler.kind == WORKFLOW_RUN else m.idempotency_key
        invocation_id = invocation_id_for(
            handler, m.key, idempotency_key, lambda: self._fresh(caller.id)
        )
        return make_invoke(
            handler,
            invocation_id,
            m.key,
            b"",
            m.headers,
            now_ms,
            idempotency_key=idempotency_key,
            # No later than a request may ask for: what is beyond has no date.
            start_at_ms=min(start_at_ms, now_ms + DURATION_MS_MAX) if start_at_ms > now_ms else 0,
            caller=sink,
            by=BY_SERVICE,
            by_id=caller.id,
            by_target=target_name(caller.service, caller.handler, caller.key),
            trace=caller.trace,
        )

    def target_id(self, target: Target | None) -> bytes:
        """The invocation that an attach or a look at an output names; raises Refusal."""
        if isinstance(target, str):
            return read_id(target)
        if isinstance(target, WorkflowTarget):
            _check_scope(target.scope, None)
            check_key(target.workflow_key, "a workflow key")
            return workflow_id(target.workflow_name, target.workflow_key)
        if isinstance(target, IdempotentRequestTarget):
            return self._idempotent_target(target)
        raise Refusal(codes.PROTOCOL_VIOLATION, "an attach names no invocation")

    def _idempotent_target(self, target: IdempotentRequestTarget) -> bytes:
        _check_scope(target.scope, None)
        check_key(target.idempotency_key, "an idempotency key")
        handler = self._registry().handler(target.service_name, target.handler_name)
        if handler is None:
            raise self._unknown(target.service_name, target.handler_name)
        key = (target.service_key or "") if handler.keyed else None
        return idempotent_id(target.service_name, key, target.handler_name, target.idempotency_key)

    def _fresh(self, caller_id: bytes) -> bytes:
        """A new id in the caller's partition: calls without a key need no outbox."""
        count = self._partition_count
        placed = placed_key(partition_of(caller_id, count), count, self._random64())
        return placed + self._random_bytes(_IDENTITY_BYTES)

    def _unknown(self, service: str, handler: str) -> Refusal:
        if self._registry().service(service) is None:
            return Refusal(codes.UNKNOWN_CALLEE, f"there is no service {service!r}")
        return Refusal(codes.UNKNOWN_CALLEE, f"service {service!r} has no handler {handler!r}")


def _check(handler: Handler, m: Call | OneWayCall) -> None:
    _check_scope(m.scope, m.limit_key)
    target = f"{handler.service}/{handler.name}"
    if handler.keyed and not m.key:
        raise Refusal(codes.PRECONDITION, f"a call to {target} needs a key")
    if m.key and not handler.keyed:
        raise Refusal(codes.PRECONDITION, f"a call to {target}, which has no keys, has one")
    check_key(m.key, "a key")
    if m.idempotency_key is not None:
        if not m.idempotency_key:
            raise Refusal(codes.PRECONDITION, f"a call to {target} has an empty idempotency key")
        check_key(m.idempotency_key, "an idempotency key")
    if m.headers and sum(len(k) + len(v) for k, v in m.headers) > HEADERS_BYTES_MAX // 4:
        raise Refusal(codes.PRECONDITION, f"a call to {target} has too many headers")


def _check_scope(scope: str | None, limit_key: str | None) -> None:
    if scope is not None or limit_key is not None:
        raise Refusal(codes.FLOW_CONTROL, "scopes and limit keys are not enabled on this server")
