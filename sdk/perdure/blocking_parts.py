"""What the contexts of plain `def` handlers give: promises, invocations, topics and groups whose
methods wait in the thread of the handler."""

from __future__ import annotations

from datetime import timedelta
from types import TracebackType
from typing import Any, Generic, TypeVar, Unpack

from perdure.futures import Future
from perdure.invocations import Invocation, KnownInvocation, SendHandle
from perdure.kafka import Kafka, Produced, RecordOptions
from perdure.promises import DurablePromise

T = TypeVar("T")


class SyncPromise(Generic[T]):
    """A durable promise in a plain `def` handler."""

    __slots__ = ("_promise",)

    def __init__(self, promise: DurablePromise[T]) -> None:
        self._promise = promise

    def future(self) -> Future[T]:
        """Its value to come, to combine it with other futures."""
        return self._promise.future()

    def result(self, timeout: timedelta | None = None) -> T:
        """Its value, once it is completed; DurableTimeout after a durable timer."""
        future = self._promise.future()
        return (future if timeout is None else future.timeout(timeout)).result()

    def peek(self) -> T | None:
        """Its value if it is completed, else None."""
        return self._promise.peek().result()

    def resolve(self, value: Any = None) -> None:
        """Complete it."""
        self._promise.resolve(value).result()

    def reject(self, message: str, code: int = 500) -> None:
        """Complete it with a failure."""
        self._promise.reject(message, code).result()


class SyncKnownInvocation(Generic[T]):
    """An invocation by its workflow's or its idempotency key in a plain `def` handler."""

    __slots__ = ("_invocation",)

    def __init__(self, invocation: KnownInvocation[T]) -> None:
        self._invocation = invocation

    def attach(self) -> T:
        """Wait for its result."""
        return self._invocation.attach().result()

    def output(self) -> T | None:
        """Its result if it has ended, else None."""
        return self._invocation.output().result()

    def cancel(self) -> None:
        """Ask it to stop; see KnownInvocation.cancel."""
        self._invocation.cancel()


class SyncInvocation(SyncKnownInvocation[T]):
    """Another invocation in a plain `def` handler."""

    __slots__ = ("_by_id",)

    def __init__(self, invocation: Invocation[T]) -> None:
        super().__init__(invocation)
        self._by_id = invocation

    @property
    def id(self) -> str:
        """Its id."""
        return self._by_id.id

    def signal(self, name: str, value: Any = None) -> None:
        """Give it a signal."""
        self._by_id.signal(name, value)

    def reject_signal(self, name: str, message: str, code: int = 500) -> None:
        """Give it a signal that fails where it is awaited."""
        self._by_id.reject_signal(name, message, code)


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
        started: Future[Any] = self._group.start_plain(work, *args, **kwargs)
        return started

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
