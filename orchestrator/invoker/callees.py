"""Calls, sends and attaches of handlers, checked and resolved by the door. Pure."""

from collections.abc import Callable
from typing import Final, Protocol

from orchestrator.door.delays import start_at_ms
from orchestrator.door.headers import check_headers
from orchestrator.door.invocations import invocation_id_for, make_invoke
from orchestrator.door.keys import check_idempotency_key, check_key, key_of
from orchestrator.door.refusals import Refused
from orchestrator.door.sends import send_or_refusal, with_request
from orchestrator.door.targets import (
    NOT_SERVED,
    check_scope,
    find_handler,
    gone_call_id,
    idempotent_call_id,
    read_invocation_id,
    show_target,
)
from orchestrator.invoker import codes
from orchestrator.invoker.failures import CommandRefused
from orchestrator.model.ids import partition_of, placed_key, workflow_id
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import BY_SERVICE, WORKFLOW_RUN, Caller
from orchestrator.registry.schema import Registry
from perdure.wire import (
    AttachTarget,
    CallCommand,
    IdempotentRequestTarget,
    OneWayCallCommand,
    WorkflowTarget,
)

_IDENTITY_BYTES: Final = 16


class Chance(Protocol):
    """What makes new ids."""

    def random64(self) -> int: ...

    def random_bytes(self, count: int, /) -> bytes: ...


class Callees:
    """Resolves targets over the newest metadata. Everything here raises Refused."""

    def __init__(
        self,
        registry: Callable[[], Registry],
        partition_count: int,
        chance: Chance,
        engine: str = "perdure",
    ) -> None:
        self._engine = engine  # the cluster's name
        self._registry = registry
        self._partition_count = partition_count
        self._random64 = chance.random64
        self._random_bytes = chance.random_bytes

    def invoke(
        self,
        caller: Invoke,
        m: CallCommand | OneWayCallCommand,
        sink: Caller | None,
        wanted_ms: int,
        now_ms: int,
    ) -> Invoke:
        """The Invoke of a call or send, without its body; `wanted_ms` is when it is to start."""
        handler = find_handler(self._registry(), m.service_name, m.handler_name)
        check_scope(m.scope, m.limit_key)
        # The protocol has no way to say that there is no key but an empty one.
        key = key_of(handler, m.key or None)
        # SDKs pass on one key to whatever they call: a run has its identity already.
        given = None if handler.kind == WORKFLOW_RUN else m.idempotency_key
        idempotency_key = check_idempotency_key(handler, given)
        if m.headers:
            check_headers(m.headers)
        return make_invoke(
            handler,
            invocation_id_for(handler, key, idempotency_key, lambda: self._fresh(caller.id)),
            key,
            b"",
            m.headers,
            now_ms,
            idempotency_key=idempotency_key,
            start_at_ms=start_at_ms(wanted_ms, now_ms),
            caller=sink,
            by=BY_SERVICE,
            by_id=caller.id,
            by_target=show_target(caller.service, caller.handler, caller.key),
            trace=caller.trace,
        )

    def send(self, invoke: Invoke, body: bytes, awaited: bool) -> Invoke:
        """The Invoke of a `Kafka/send`; a body that cannot be used is told by its outcome."""
        return with_request(invoke, send_or_refusal(body, self._registry(), self._engine, awaited))

    def target_id(self, target: AttachTarget | None) -> bytes:
        """The invocation that an attach or a look at an output names."""
        if isinstance(target, str):
            return read_invocation_id(target)
        if isinstance(target, WorkflowTarget):
            check_scope(target.scope)
            return workflow_id(target.workflow_name, check_key(target.workflow_key))
        if isinstance(target, IdempotentRequestTarget):
            check_scope(target.scope)
            return self._call_id(target)
        raise CommandRefused(codes.PROTOCOL_VIOLATION, "an attach names no invocation")

    def _call_id(self, target: IdempotentRequestTarget) -> bytes:
        """By its names: its result is there even if nobody serves the handler any more."""
        service, name, key = target.service_name, target.handler_name, target.service_key
        try:
            handler = find_handler(self._registry(), service, name)
        except Refused as refused:
            if refused.refusal.code not in NOT_SERVED:
                raise
            return gone_call_id(service, key or None, name, target.idempotency_key)
        return idempotent_call_id(
            handler, (key or "") if handler.keyed else None, target.idempotency_key
        )

    def _fresh(self, caller_id: bytes) -> bytes:
        """A new id in the caller's partition: calls without a key need no outbox."""
        count = self._partition_count
        placed = placed_key(partition_of(caller_id, count), count, self._random64())
        return placed + self._random_bytes(_IDENTITY_BYTES)
