"""The contexts of plain `def` handlers: the same calls, which wait in the thread of the handler.

What is to run at the same time is started by `ctx.futures`, the context of `async def` handlers:
`a = ctx.futures.call(…)`, `b = ctx.futures.step(…)`, then `ctx.gather(a, b)` or `a.result()`.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, TypeVar, Unpack, overload

from perdure import logs
from perdure.calling import CallOptions
from perdure.context import Awakeable, Context
from perdure.futures import AsCompleted, Future, Outcome
from perdure.invocation_request import InvocationRequest
from perdure.invocations import SendHandle
from perdure.kafka import Kafka, Produced, RecordOptions
from perdure.promises import DurablePromise
from perdure.retry import Retry
from perdure.saga import Saga
from perdure.targets import Blocking, BlockingNothing, In, Out, Takes, TakesNothing

T = TypeVar("T")


class SyncContext:
    """See the module; each call does what the one of the same name does in `Context`."""

    __slots__ = ("futures",)

    futures: Any
    """The context whose calls return futures; they are waited for by `result()`."""

    def __init__(self, futures: Context) -> None:
        self.futures = futures

    @property
    def request(self) -> InvocationRequest:
        return self.futures.request  # type: ignore[no-any-return]

    @property
    def id(self) -> str:
        return self.futures.id  # type: ignore[no-any-return]

    @property
    def logger(self) -> logs.Logger:
        return self.futures.logger  # type: ignore[no-any-return]

    @property
    def random(self) -> random.Random:
        return self.futures.random  # type: ignore[no-any-return]

    def uuid(self) -> uuid.UUID:
        return self.futures.uuid()  # type: ignore[no-any-return]

    def now(self) -> datetime:
        return self.futures.now().result()  # type: ignore[no-any-return]

    def time(self) -> float:
        return self.futures.time().result()  # type: ignore[no-any-return]

    def step(
        self,
        fn: Callable[..., T],
        *args: Any,
        name: str | None = None,
        retry: Retry | None = None,
        **kwargs: Any,
    ) -> T:
        future = self.futures.step(fn, *args, name=name, retry=retry, **kwargs)
        return future.result()  # type: ignore[no-any-return]

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

    def send(self, target: Any, arg: Any = None, **options: Any) -> SendHandle:
        return self.futures.send(target, arg, **options)  # type: ignore[no-any-return]

    def invocation(self, invocation_id: str, returns: Any = Any) -> SyncInvocation:
        return SyncInvocation(self.futures.invocation(invocation_id, returns))

    def workflow(self, workflow: Any, key: str, returns: Any = None) -> SyncKnownInvocation:
        return SyncKnownInvocation(self.futures.workflow(workflow, key, returns))

    def invocation_of(
        self, target: Any, *, idempotency_key: str, key: str | None = None, returns: Any = None
    ) -> SyncKnownInvocation:
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

    def awakeable(self, type: Any = Any) -> Awakeable[Any]:  # noqa: A002
        """A future with an `id`; wait for it by `result()`."""
        return self.futures.awakeable(type)  # type: ignore[no-any-return]

    def resolve_awakeable(self, awakeable_id: str, value: Any = None) -> None:
        self.futures.resolve_awakeable(awakeable_id, value)

    def reject_awakeable(self, awakeable_id: str, message: str, code: int = 500) -> None:
        self.futures.reject_awakeable(awakeable_id, message, code)

    def signal(self, name: str, type: Any = Any) -> Any:  # noqa: A002
        return self.futures.signal(name, type).result()

    def gather(self, *futures: Future[Any]) -> list[Any]:
        return self.futures.gather(*futures).result()  # type: ignore[no-any-return]

    def race(self, *futures: Future[Any]) -> Any:
        return self.futures.race(*futures).result()

    def any(self, *futures: Future[Any]) -> Any:
        return self.futures.any(*futures).result()

    def all_settled(self, *futures: Future[Any]) -> list[Outcome[Any]]:
        return self.futures.all_settled(*futures).result()  # type: ignore[no-any-return]

    def select(self, **futures: Future[Any]) -> tuple[str, Any]:
        return self.futures.select(**futures).result()  # type: ignore[no-any-return]

    def as_completed(self, *futures: Future[Any]) -> AsCompleted:
        """`for future in …`: the futures, in the order in which they are done."""
        return self.futures.as_completed(*futures)  # type: ignore[no-any-return]

    def saga(self) -> Saga:
        """`with ctx.saga() as saga`."""
        return self.futures.saga()  # type: ignore[no-any-return]

    # -- of objects and workflows

    @property
    def key(self) -> str:
        return self.futures.key  # type: ignore[no-any-return]

    def get(self, name: str, type: Any = Any, default: Any = None) -> Any:  # noqa: A002
        return self.futures.get(name, type, default).result()

    def state_keys(self) -> list[str]:
        return self.futures.state_keys().result()  # type: ignore[no-any-return]

    def set(self, name: str, value: Any, type: Any = None) -> None:  # noqa: A002
        self.futures.set(name, value, type)

    def state_now(self, name: str, type: Any = Any) -> Any:  # noqa: A002
        return self.futures.state_now(name, type)

    def clear(self, name: str) -> None:
        self.futures.clear(name)

    def clear_all(self) -> None:
        self.futures.clear_all()

    def promise(self, name: str, type: Any = Any) -> SyncPromise:  # noqa: A002
        return SyncPromise(self.futures.promise(name, type))


class SyncPromise:
    """A durable promise in a plain `def` handler."""

    __slots__ = ("_promise",)

    def __init__(self, promise: DurablePromise[Any]) -> None:
        self._promise = promise

    def future(self) -> Future[Any]:
        """Its value to come, to combine it with other futures."""
        return self._promise.future()

    def result(self, timeout: timedelta | None = None) -> Any:
        """Its value, once it is completed; DurableTimeout after a durable timer."""
        future = self._promise.future()
        return (future if timeout is None else future.timeout(timeout)).result()

    def peek(self) -> Any:
        """Its value if it is completed, else None."""
        return self._promise.peek().result()

    def resolve(self, value: Any = None) -> None:
        """Complete it."""
        self._promise.resolve(value).result()

    def reject(self, message: str, code: int = 500) -> None:
        """Complete it with a failure."""
        self._promise.reject(message, code).result()


class SyncKnownInvocation:
    """An invocation by its workflow's or its idempotency key in a plain `def` handler."""

    __slots__ = ("_invocation",)

    def __init__(self, invocation: Any) -> None:
        self._invocation = invocation

    def attach(self) -> Any:
        """Wait for its result."""
        return self._invocation.attach().result()

    def output(self) -> Any:
        """Its result if it has ended, else None."""
        return self._invocation.output().result()


class SyncInvocation(SyncKnownInvocation):
    """Another invocation in a plain `def` handler."""

    __slots__ = ("id",)

    def __init__(self, invocation: Any) -> None:
        super().__init__(invocation)
        self.id: str = invocation.id

    def cancel(self) -> None:
        """Ask it to stop."""
        self._invocation.cancel()

    def signal(self, name: str, value: Any = None) -> None:
        """Give it a signal."""
        self._invocation.signal(name, value)

    def reject_signal(self, name: str, message: str, code: int = 500) -> None:
        """Give it a signal that fails where it is awaited."""
        self._invocation.reject_signal(name, message, code)


class SyncKafka:
    """What `ctx.kafka` gives in a plain `def` handler; see Kafka."""

    __slots__ = ("_kafka",)

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    def send(self, topic: str, value: Any = None, **options: Unpack[RecordOptions]) -> SendHandle:
        """Have a record written."""
        return self._kafka.send(topic, value, **options)

    def produce(self, topic: str, value: Any = None, **options: Unpack[RecordOptions]) -> Produced:
        """The same, and wait until the record is there."""
        return self._kafka.produce(topic, value, **options).result()


class SyncGroup:
    """What `with ctx.group() as g` gives in a plain `def` handler."""

    __slots__ = ("_group",)

    def __init__(self, group: Any) -> None:
        self._group = group

    def start(self, work: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a plain function beside the others; `result()` of what this returns waits for it.
        A durable future is waited for like the others."""
        return self._group.start_plain(work, *args, **kwargs)  # type: ignore[no-any-return]

    def __enter__(self) -> SyncGroup:
        self._group.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._group.end_in_place(error)
