"""What a handler asks of other handlers: calls, sends, and what is known of an invocation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack, overload

from perdure.definitions import HandlerRef, target_of
from perdure.durations import delta_ms
from perdure.invocations import CallFuture, Invocation, KnownInvocation, SendHandle
from perdure.kafka import Kafka
from perdure.misuse import misuse
from perdure.serde import Serde, as_serde, encode_value
from perdure.targets import Blocking, BlockingNothing, In, Out, Takes, TakesNothing
from perdure.wire.values import IdempotentRequestTarget, WorkflowTarget
from perdure.workflows import run_of

if TYPE_CHECKING:
    from perdure.context import Runner
    from perdure.replay import Machine

T = TypeVar("T")


class CallOptions(TypedDict, total=False):
    """The keywords of calls. `name` is for people, who see it in the journal."""

    key: str
    idempotency_key: str
    headers: Mapping[str, str]
    scope: str
    limit_key: str
    name: str


class SendOptions(CallOptions, total=False):
    """The keywords of sends; the work begins after `delay`."""

    delay: timedelta | None


class Calling:
    """The part of a context that is about other handlers."""

    __slots__ = ()

    runner: Runner

    @property
    def machine(self) -> Machine:
        """What commands are asked of; raises where code runs that is not the handler's."""
        raise NotImplementedError

    @overload
    def call(
        self, target: Takes[In, Out], arg: In, **options: Unpack[CallOptions]
    ) -> CallFuture[Out]: ...
    @overload
    def call(
        self, target: TakesNothing[Out], **options: Unpack[CallOptions]
    ) -> CallFuture[Out]: ...
    @overload
    def call(
        self, target: Blocking[In, Out], arg: In, **options: Unpack[CallOptions]
    ) -> CallFuture[Out]: ...
    @overload
    def call(
        self, target: BlockingNothing[Out], **options: Unpack[CallOptions]
    ) -> CallFuture[Out]: ...
    @overload
    def call(
        self, target: str, arg: Any = None, *, returns: type[T], **options: Unpack[CallOptions]
    ) -> CallFuture[T]: ...
    @overload
    def call(
        self, target: str, arg: Any = None, *, returns: Any = ..., **options: Unpack[CallOptions]
    ) -> CallFuture[Any]: ...
    def call(
        self,
        target: Any,
        arg: Any = None,
        *,
        key: str | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        returns: Any = Any,
        scope: str | None = None,
        limit_key: str | None = None,
        name: str = "",
    ) -> CallFuture[Any]:
        """Call a handler, given as an object or as "Service/handler" (then `returns` is its
        type), and get its result; a Terminal if it fails for good."""
        service, handler, parameter, output = _read_target(target, arg, key, returns)
        _check_idempotency_key(idempotency_key)
        future: CallFuture[Any] = CallFuture(self, output.decode)
        self.machine.call(
            future.invocation_id,
            future,
            service,
            handler,
            parameter,
            key or "",
            _pairs(headers) if headers else (),
            idempotency_key,
            scope,
            limit_key,
            name,
        )
        return future

    @overload
    def send(
        self, target: Takes[In, Any], arg: In, **options: Unpack[SendOptions]
    ) -> SendHandle: ...
    @overload
    def send(self, target: TakesNothing[Any], **options: Unpack[SendOptions]) -> SendHandle: ...
    @overload
    def send(
        self, target: Blocking[In, Any], arg: In, **options: Unpack[SendOptions]
    ) -> SendHandle: ...
    @overload
    def send(self, target: BlockingNothing[Any], **options: Unpack[SendOptions]) -> SendHandle: ...
    @overload
    def send(self, target: str, arg: Any = None, **options: Unpack[SendOptions]) -> SendHandle: ...
    def send(
        self,
        target: Any,
        arg: Any = None,
        *,
        key: str | None = None,
        delay: timedelta | None = None,
        idempotency_key: str | None = None,
        headers: Mapping[str, str] | None = None,
        scope: str | None = None,
        limit_key: str | None = None,
        name: str = "",
    ) -> SendHandle:
        """Have a handler called, now or after a delay, without waiting for its result."""
        service, handler, parameter, _ = _read_target(target, arg, key, Any)
        _check_idempotency_key(idempotency_key)
        handle = SendHandle(self)
        time_ms = self.runner.now_ms() + delta_ms(delay) if delay else 0
        self.machine.send(
            handle.invocation_id,
            service,
            handler,
            parameter,
            key or "",
            time_ms,
            _pairs(headers) if headers else (),
            idempotency_key,
            scope,
            limit_key,
            name,
        )
        return handle

    @overload
    def invocation(self, invocation_id: str, returns: type[T]) -> Invocation[T]: ...
    @overload
    def invocation(self, invocation_id: str, returns: Any = ...) -> Invocation[Any]: ...
    def invocation(self, invocation_id: str, returns: Any = Any) -> Invocation[Any]:
        """Another invocation, by its id."""
        return Invocation(self, invocation_id, returns)

    @overload
    def workflow(self, workflow: Takes[Any, Out], key: str) -> KnownInvocation[Out]: ...
    @overload
    def workflow(self, workflow: TakesNothing[Out], key: str) -> KnownInvocation[Out]: ...
    @overload
    def workflow(self, workflow: Any, key: str, returns: type[T]) -> KnownInvocation[T]: ...
    @overload
    def workflow(self, workflow: Any, key: str, returns: Any = ...) -> KnownInvocation[Any]: ...
    def workflow(self, workflow: Any, key: str, returns: Any = None) -> KnownInvocation[Any]:
        """The run of a workflow by its key: `workflow` is its object, its class, its run handler
        or its name (then `returns` is the type of the result)."""
        name, target = run_of(workflow)
        return KnownInvocation(self, WorkflowTarget(name, key), _output_of(target, returns))

    @overload
    def invocation_of(
        self, target: Takes[Any, Out], *, idempotency_key: str, key: str | None = ...
    ) -> KnownInvocation[Out]: ...
    @overload
    def invocation_of(
        self, target: TakesNothing[Out], *, idempotency_key: str, key: str | None = ...
    ) -> KnownInvocation[Out]: ...
    @overload
    def invocation_of(
        self,
        target: Any,
        *,
        idempotency_key: str,
        key: str | None = ...,
        returns: type[T],
    ) -> KnownInvocation[T]: ...
    @overload
    def invocation_of(
        self, target: Any, *, idempotency_key: str, key: str | None = ..., returns: Any = ...
    ) -> KnownInvocation[Any]: ...
    def invocation_of(
        self, target: Any, *, idempotency_key: str, key: str | None = None, returns: Any = None
    ) -> KnownInvocation[Any]:
        """The invocation of a handler that was called with an idempotency key."""
        ref = target_of(target)
        service, name = (ref.service, ref.name) if isinstance(ref, HandlerRef) else ref
        _check_key(ref, key)
        _check_idempotency_key(idempotency_key)
        found = IdempotentRequestTarget(service, name, idempotency_key, key)
        return KnownInvocation(self, found, _output_of(target, returns))

    @property
    def kafka(self) -> Kafka:
        """Topics of the server's brokers, to write to."""
        return Kafka(self)


def _read_target(
    target: Any, arg: Any, key: str | None, returns: Any
) -> tuple[str, str, bytes, Serde[Any]]:
    ref = target_of(target)
    _check_key(ref, key)
    if isinstance(ref, HandlerRef):
        if not ref.takes_input and arg is not None:
            raise misuse(f"{ref.service}/{ref.name} takes no argument, but {arg!r:.100} is given")
        return (
            ref.service,
            ref.name,
            ref.input.encode(arg) if ref.takes_input else b"",
            ref.output,
        )
    service, handler = ref
    return service, handler, b"" if arg is None else encode_value(arg), as_serde(returns)


def _check_key(ref: HandlerRef | tuple[str, str], key: str | None) -> None:
    if isinstance(ref, HandlerRef) and ref.needs_key != (key is not None):
        needs = "needs a key" if ref.needs_key else "has no keys"
        raise misuse(f"{ref.service} {needs}: it is of kind {ref.service_kind!r}")
    if key is not None and not isinstance(key, str):
        raise misuse(f"a key is text, not {key!r}")


def _check_idempotency_key(key: str | None) -> None:
    if key is not None and (not isinstance(key, str) or not key):
        raise misuse(f"an idempotency key is text that is not empty, not {key!r}")


def _pairs(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if not isinstance(headers, Mapping):
        raise misuse(f"headers are a mapping of text, not {headers!r:.100}")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise misuse(f"headers are text, not {name!r}: {value!r}")
    return tuple(headers.items())


def _output_of(target: Any, returns: Any) -> Serde[Any]:
    if returns is not None:
        return as_serde(returns)
    ref = target_of(target)
    return ref.output if isinstance(ref, HandlerRef) else as_serde(Any)
