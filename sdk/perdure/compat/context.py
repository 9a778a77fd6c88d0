"""Contexts by the names of `restate.context`: thin faces of ours."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any, Generic, TypeAlias, TypeVar
from uuid import UUID

from perdure import keyed
from perdure.compat.calls import Calls, ScopedContext
from perdure.compat.futures import (
    RestateDurableCallFuture,
    RestateDurableFuture,
    RestateDurableSleepFuture,
    SendHandle,
)
from perdure.compat.serde import DefaultSerde, Serde, for_type
from perdure.compat.steps import RunAction, RunOptions, encoding_step, returned_by
from perdure.promises import DurablePromise as OurPromise
from perdure.serde import BYTES
from perdure.steps import Traits

__all__ = [
    "AttemptFinishedEvent",
    "Context",
    "DurablePromise",
    "HandlerType",
    "KeyValueStore",
    "ObjectContext",
    "ObjectSharedContext",
    "Request",
    "RestateDurableCallFuture",
    "RestateDurableFuture",
    "RestateDurableSleepFuture",
    "RunAction",
    "RunOptions",
    "ScopedContext",
    "SendHandle",
    "WorkflowContext",
    "WorkflowSharedContext",
]

T = TypeVar("T")

HandlerType: TypeAlias = Callable[..., Awaitable[T]]

context_now: ContextVar[Context | None] = ContextVar("perdure_compat_context", default=None)
"""The context of the handler that is running."""


class AttemptFinishedEvent:
    """Set when the attempt is over: what belongs to it can be cleaned up."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def is_set(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    def set(self) -> None:
        """Say that the attempt is over."""
        self._event.set()


@dataclass
class Request:
    """What the handler was called with."""

    id: str
    headers: dict[str, str]
    attempt_headers: dict[str, str]
    body: bytes
    attempt_finished_event: AttemptFinishedEvent
    scope: str | None = None
    limit_key: str | None = None
    idempotency_key: str | None = None


class Context(Calls):
    """The context of a handler."""

    _finished: AttemptFinishedEvent | None = None
    _extension_data: dict[str, Any] | None = None

    @property
    def extension_data(self) -> dict[str, Any]:
        """What extensions keep with this attempt."""
        if self._extension_data is None:
            self._extension_data = {}
        return self._extension_data

    @property
    def finished(self) -> AttemptFinishedEvent:
        """The event of the end of this attempt."""
        if self._finished is None:
            self._finished = AttemptFinishedEvent()
        return self._finished

    def request(self) -> Request:
        """The request as it came."""
        given = self._ours.request
        return Request(
            given.id,
            dict(given.headers),
            dict(given.attempt_headers),
            given.body,
            self.finished,
            given.scope,
            given.limit_key,
            given.idempotency_key,
        )

    def random(self) -> Random:
        """Random numbers that are the same in every attempt."""
        return self._ours.random

    def uuid(self) -> UUID:
        """A UUID that is the same in every attempt."""
        return self._ours.uuid()

    def time(self) -> RestateDurableFuture[float]:
        """The time in seconds since 1970."""
        return RestateDurableFuture(self._ours.time())

    def sleep(self, delta: timedelta, name: str | None = None) -> RestateDurableSleepFuture:
        """A durable timer."""
        return RestateDurableSleepFuture(self._ours.sleep(delta, name or ""))

    def scope(self, scope: str) -> ScopedContext:
        """The calls of the context, within a scope."""
        return ScopedContext(self._ours, self._codec, scope)

    # -- steps

    def run_typed(
        self,
        name: str,
        action: RunAction,
        options: RunOptions[Any] | None = None,
        /,
        *args: Any,
        **kwargs: Any,
    ) -> RestateDurableFuture[Any]:
        """Run a function once, and keep its result."""
        options = options or RunOptions()
        hint = options.type_hint
        if hint is None:
            hint = returned_by(action)
        return self._step(name, action, args, kwargs, for_type(options.serde, hint), options)

    def run(
        self,
        name: str,
        action: RunAction,
        serde: Serde[Any] | None = None,
        max_attempts: int | None = None,
        max_retry_duration: timedelta | None = None,
        type_hint: Any = None,
        args: tuple[Any, ...] | None = None,
    ) -> RestateDurableFuture[Any]:
        """The older form of `run_typed`."""
        options: RunOptions[Any] = RunOptions(
            serde or DefaultSerde(),
            type_hint,
            max_attempts=max_attempts,
            max_duration=max_retry_duration,
        )
        return self.run_typed(name, action, options, *(args or ()))

    def _step(
        self,
        name: str,
        action: RunAction,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        serde: Serde[Any],
        options: RunOptions[Any],
    ) -> RestateDurableFuture[Any]:
        fn, is_async = encoding_step(action, functools.partial(self._encode, serde))
        traits = Traits(name, is_async, BYTES)
        inner = self._ours._step(fn, args, kwargs, traits, options.retry(), name)
        return RestateDurableFuture(inner, serde, self._codec)

    # -- awakeables and signals

    def awakeable(
        self, serde: Serde[Any] | None = None, type_hint: Any = None
    ) -> tuple[str, RestateDurableFuture[Any]]:
        """The id of an awakeable, and its future."""
        inner = self._ours.awakeable(bytes)
        return inner.id, self._future(inner, serde, type_hint)

    def resolve_awakeable(self, name: str, value: Any, serde: Serde[Any] | None = None) -> None:
        """Complete an awakeable."""
        self._ours.resolve_awakeable(name, self._encode(serde or DefaultSerde(), value))

    def reject_awakeable(self, name: str, failure_message: str, failure_code: int = 500) -> None:
        """Complete an awakeable with a failure."""
        self._ours.reject_awakeable(name, failure_message, failure_code)

    def signal(
        self, name: str, serde: Serde[Any] | None = None, type_hint: Any = None
    ) -> RestateDurableFuture[Any]:
        """The next signal of a name."""
        return self._future(self._ours.signal(name, bytes), serde, type_hint)

    def resolve_signal(
        self, invocation_id: str, name: str, value: Any, serde: Serde[Any] | None = None
    ) -> None:
        """Give another invocation a signal."""
        data = self._encode(serde or DefaultSerde(), value)
        self._ours.invocation(invocation_id).signal(name, data)

    def reject_signal(
        self, invocation_id: str, name: str, failure_message: str, failure_code: int = 500
    ) -> None:
        """Give another invocation a signal that fails."""
        self._ours.invocation(invocation_id).reject_signal(name, failure_message, failure_code)

    # -- other invocations

    def cancel_invocation(self, invocation_id: str) -> None:
        """Ask an invocation to stop."""
        self._ours.invocation(invocation_id).cancel()

    def attach_invocation(
        self, invocation_id: str, serde: Serde[Any] | None = None, type_hint: Any = None
    ) -> RestateDurableFuture[Any]:
        """The result of an invocation."""
        inner = self._ours.invocation(invocation_id, bytes).attach()
        return self._future(inner, serde, type_hint)


class ObjectSharedContext(Context):
    """The context of a shared handler of an object."""

    _ours: keyed.ObjectSharedContext

    def key(self) -> str:
        """The key of the object."""
        return self._ours.key

    def get(
        self,
        name: str,
        serde: Serde[Any] | None = None,
        type_hint: Any = None,
        entry_name: str | None = None,
    ) -> RestateDurableFuture[Any]:
        """The value of a name; None if there is none."""
        return self._future(self._ours.get(name, bytes), serde, type_hint)

    def state_keys(self, entry_name: str | None = None) -> RestateDurableFuture[list[str]]:
        """The names that have a value."""
        return RestateDurableFuture(self._ours.state_keys())


class KeyValueStore(ObjectSharedContext):
    """State that can be changed."""

    _ours: keyed.ObjectContext

    def set(
        self,
        name: str,
        value: Any,
        serde: Serde[Any] | None = None,
        entry_name: str | None = None,
    ) -> None:
        """Give a name a value."""
        self._ours.set(name, self._encode(serde or DefaultSerde(), value), BYTES)

    def clear(self, name: str, entry_name: str | None = None) -> None:
        """Take the value of a name away."""
        self._ours.clear(name)

    def clear_all(self, entry_name: str | None = None) -> None:
        """Take all values away."""
        self._ours.clear_all()


class ObjectContext(KeyValueStore):
    """The context of an exclusive handler of an object."""


class DurablePromise(Generic[T]):
    """A promise of a workflow."""

    def __init__(self, ctx: Context, inner: OurPromise[bytes], serde: Serde[T]) -> None:
        self._ctx = ctx
        self._inner = inner
        self.name = inner.name
        self.serde = serde

    def value(self) -> RestateDurableFuture[T]:
        """Its value, once it is completed."""
        return self._ctx._future(self._inner.future(), self.serde)

    def __await__(self) -> Any:
        return self.value().__await__()

    def peek(self) -> RestateDurableFuture[T | None]:
        """Its value if it is completed, else None."""
        return self._ctx._future(self._inner.peek(), self.serde)

    def resolve(self, value: T) -> RestateDurableFuture[None]:
        """Complete it."""
        data = self._ctx._encode(self.serde, value)
        return RestateDurableFuture(self._inner.resolve(data))

    def reject(self, message: str, code: int = 500) -> RestateDurableFuture[None]:
        """Complete it with a failure."""
        return RestateDurableFuture(self._inner.reject(message, code))


class WorkflowSharedContext(ObjectSharedContext):
    """The context of a handler beside the main one of a workflow."""

    _ours: keyed.WorkflowSharedContext

    def promise(
        self, name: str, serde: Serde[Any] | None = None, type_hint: Any = None
    ) -> DurablePromise[Any]:
        """A promise of the workflow."""
        found = for_type(serde or DefaultSerde(), type_hint)
        return DurablePromise(self, self._ours.promise(name, bytes), found)


class WorkflowContext(ObjectContext, WorkflowSharedContext):
    """The context of the main handler of a workflow."""

    _ours: keyed.WorkflowContext


def current_context() -> Context | None:
    """The context of the handler that is running; None outside."""
    return context_now.get()
