"""The contexts of plain `def` handlers: the same calls, which wait in the thread of the handler.

What is to run at the same time is started by `ctx.futures`, the context of `async def` handlers:
`a = ctx.futures.call(…)`, `b = ctx.futures.step(…)`, then `ctx.gather(a, b)` or `a.result()`.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, Unpack, cast, overload

from perdure import logs
from perdure.blocking_parts import (
    SyncGroup,
    SyncInvocation,
    SyncKafka,
    SyncKnownInvocation,
    SyncPromise,
)
from perdure.calling import CallOptions, SendOptions
from perdure.context import Awakeable, Context
from perdure.futures import AsCompleted, Future, Outcome
from perdure.invocation_request import InvocationRequest
from perdure.invocations import SendHandle
from perdure.keyed import WorkflowContext
from perdure.retry import Retry
from perdure.saga import Saga
from perdure.targets import Blocking, BlockingNothing, In, Out, Takes, TakesNothing

T = TypeVar("T")


class SyncContext:
    """See the module; each call does what the one of the same name does in `Context`."""

    __slots__ = ("futures",)

    futures: WorkflowContext
    """The context whose calls return futures; they are waited for by `result()`. To type checkers
    it has what any context has."""

    def __init__(self, futures: Context) -> None:
        self.futures = cast("WorkflowContext", futures)

    @property
    def request(self) -> InvocationRequest:
        return self.futures.request

    @property
    def id(self) -> str:
        return self.futures.id

    @property
    def logger(self) -> logs.Logger:
        return self.futures.logger

    @property
    def random(self) -> random.Random:
        return self.futures.random

    def uuid(self) -> uuid.UUID:
        return self.futures.uuid()

    def now(self) -> datetime:
        return self.futures.now().result()

    def time(self) -> float:
        return self.futures.time().result()

    @overload
    def step(
        self,
        fn: Callable[..., Awaitable[T]],
        *args: Any,
        name: str | None = None,
        retry: Retry | None = None,
        **kwargs: Any,
    ) -> T: ...
    @overload
    def step(
        self,
        fn: Callable[..., T],
        *args: Any,
        name: str | None = None,
        retry: Retry | None = None,
        **kwargs: Any,
    ) -> T: ...
    def step(
        self,
        fn: Callable[..., Any],
        *args: Any,
        name: str | None = None,
        retry: Retry | None = None,
        **kwargs: Any,
    ) -> Any:
        return self.futures.step(fn, *args, name=name, retry=retry, **kwargs).result()

    def sleep(self, delta: timedelta, name: str = "") -> None:
        self.futures.sleep(delta, name).result()

    @overload
    def call(self, target: Takes[In, Out], arg: In, **options: Unpack[CallOptions]) -> Out: ...
    @overload
    def call(self, target: TakesNothing[Out], **options: Unpack[CallOptions]) -> Out: ...
    @overload
    def call(self, target: Blocking[In, Out], arg: In, **options: Unpack[CallOptions]) -> Out: ...
    @overload
    def call(self, target: BlockingNothing[Out], **options: Unpack[CallOptions]) -> Out: ...
    @overload
    def call(
        self, target: str, arg: Any = None, *, returns: type[T], **options: Unpack[CallOptions]
    ) -> T: ...
    @overload
    def call(
        self, target: str, arg: Any = None, *, returns: Any = ..., **options: Unpack[CallOptions]
    ) -> Any: ...
    def call(self, target: Any, arg: Any = None, **options: Any) -> Any:
        return self.futures.call(target, arg, **options).result()

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
    def send(self, target: Any, arg: Any = None, **options: Any) -> SendHandle:
        return self.futures.send(target, arg, **options)

    @overload
    def invocation(self, invocation_id: str, returns: type[T]) -> SyncInvocation[T]: ...
    @overload
    def invocation(self, invocation_id: str, returns: Any = ...) -> SyncInvocation[Any]: ...
    def invocation(self, invocation_id: str, returns: Any = Any) -> SyncInvocation[Any]:
        return SyncInvocation(self.futures.invocation(invocation_id, returns))

    @overload
    def workflow(self, workflow: Takes[Any, Out], key: str) -> SyncKnownInvocation[Out]: ...
    @overload
    def workflow(self, workflow: TakesNothing[Out], key: str) -> SyncKnownInvocation[Out]: ...
    @overload
    def workflow(self, workflow: Any, key: str, returns: type[T]) -> SyncKnownInvocation[T]: ...
    @overload
    def workflow(self, workflow: Any, key: str, returns: Any = ...) -> SyncKnownInvocation[Any]: ...
    def workflow(self, workflow: Any, key: str, returns: Any = None) -> SyncKnownInvocation[Any]:
        return SyncKnownInvocation(self.futures.workflow(workflow, key, returns))

    @overload
    def invocation_of(
        self, target: Takes[Any, Out], *, idempotency_key: str, key: str | None = ...
    ) -> SyncKnownInvocation[Out]: ...
    @overload
    def invocation_of(
        self, target: TakesNothing[Out], *, idempotency_key: str, key: str | None = ...
    ) -> SyncKnownInvocation[Out]: ...
    @overload
    def invocation_of(
        self,
        target: Any,
        *,
        idempotency_key: str,
        key: str | None = ...,
        returns: type[T],
    ) -> SyncKnownInvocation[T]: ...
    @overload
    def invocation_of(
        self, target: Any, *, idempotency_key: str, key: str | None = ..., returns: Any = ...
    ) -> SyncKnownInvocation[Any]: ...
    def invocation_of(
        self, target: Any, *, idempotency_key: str, key: str | None = None, returns: Any = None
    ) -> SyncKnownInvocation[Any]:
        return SyncKnownInvocation(
            self.futures.invocation_of(
                target, idempotency_key=idempotency_key, key=key, returns=returns
            )
        )

    @property
    def kafka(self) -> SyncKafka:
        return SyncKafka(self.futures.kafka)

    def group(self) -> SyncGroup:
        """`with ctx.group() as g`: plain functions that run beside each other, each in a thread,
        one at a time."""
        return SyncGroup(self.futures.group())

    @overload
    def awakeable(self, type: type[T]) -> Awakeable[T]: ...
    @overload
    def awakeable(self, type: Any = ...) -> Awakeable[Any]: ...
    def awakeable(self, type: Any = Any) -> Awakeable[Any]:  # noqa: A002
        """A future with an `id`; wait for it by `result()`."""
        return self.futures.awakeable(type)

    def resolve_awakeable(self, awakeable_id: str, value: Any = None) -> None:
        self.futures.resolve_awakeable(awakeable_id, value)

    def reject_awakeable(self, awakeable_id: str, message: str, code: int = 500) -> None:
        self.futures.reject_awakeable(awakeable_id, message, code)

    @overload
    def signal(self, name: str, type: type[T]) -> T: ...
    @overload
    def signal(self, name: str, type: Any = ...) -> Any: ...
    def signal(self, name: str, type: Any = Any) -> Any:  # noqa: A002
        return self.futures.signal(name, type).result()

    @overload
    def gather(self, *futures: Future[T]) -> list[T]: ...
    @overload
    def gather(self, *futures: Future[Any]) -> list[Any]: ...
    def gather(self, *futures: Future[Any]) -> list[Any]:
        return self.futures.gather(*futures).result()

    def race(self, *futures: Future[T]) -> T:
        return self.futures.race(*futures).result()

    def any(self, *futures: Future[T]) -> T:
        return self.futures.any(*futures).result()

    def all_settled(self, *futures: Future[Any]) -> list[Outcome[Any]]:
        return self.futures.all_settled(*futures).result()

    def select(self, **futures: Future[Any]) -> tuple[str, Any]:
        return self.futures.select(**futures).result()

    def as_completed(self, *futures: Future[Any]) -> AsCompleted:
        """`for future in …`: the futures, in the order in which they are done."""
        return self.futures.as_completed(*futures)

    def saga(self) -> Saga:
        """`with ctx.saga() as saga`."""
        return self.futures.saga()

    # -- of objects and workflows

    @property
    def key(self) -> str:
        return self.futures.key

    @overload
    def get(self, name: str, type: type[T], default: T) -> T: ...
    @overload
    def get(self, name: str, type: type[T]) -> T | None: ...
    @overload
    def get(self, name: str, type: Any = ..., default: Any = ...) -> Any: ...
    def get(self, name: str, type: Any = Any, default: Any = None) -> Any:  # noqa: A002
        return self.futures.get(name, type, default).result()

    def state_keys(self) -> list[str]:
        return self.futures.state_keys().result()

    def set(self, name: str, value: Any, type: Any = None) -> None:  # noqa: A002
        self.futures.set(name, value, type)

    def state_now(self, name: str, type: Any = Any) -> Any:  # noqa: A002
        return self.futures.state_now(name, type)

    def clear(self, name: str) -> None:
        self.futures.clear(name)

    def clear_all(self) -> None:
        self.futures.clear_all()

    @overload
    def promise(self, name: str, type: type[T]) -> SyncPromise[T]: ...
    @overload
    def promise(self, name: str, type: Any = ...) -> SyncPromise[Any]: ...
    def promise(self, name: str, type: Any = Any) -> SyncPromise[Any]:  # noqa: A002
        return SyncPromise(self.futures.promise(name, type))
