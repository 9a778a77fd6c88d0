"""Durable promises: one value per name and workflow, awaited by its handlers, completed once."""

from __future__ import annotations

from collections.abc import Callable, Generator
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from perdure.errors import Terminal
from perdure.failures import wire_failure
from perdure.futures import Future
from perdure.misuse import misuse
from perdure.serde import as_serde, encode_as

if TYPE_CHECKING:
    from datetime import timedelta

    from perdure.context import Context

T = TypeVar("T")
U = TypeVar("U")


class DurablePromise(Generic[T]):
    """Await it for its value; `future()` to combine it with other futures."""

    __slots__ = ("_ctx", "_type", "name")

    def __init__(self, ctx: Context, name: str, of: Any) -> None:
        self._ctx = ctx
        self._type = of
        self.name = name

    def future(self) -> Future[T]:
        """Its value, once it is completed; a Terminal if it is rejected."""
        future: Future[T] = Future(self._ctx.runner, as_serde(self._type).decode)
        self._ctx.machine.get_promise(future, self.name)
        return future

    def __await__(self) -> Generator[Any, None, T]:
        return self.future().__await__()

    def timeout(self, delta: timedelta) -> Future[T]:
        """Its value, or DurableTimeout once a durable timer has ended."""
        return self.future().timeout(delta)

    def map(self, fn: Callable[[T], U]) -> Future[U]:
        """What `fn`, which must be deterministic, makes of its value; failures pass by it."""
        return self.future().map(fn)

    def peek(self) -> Future[T | None]:
        """Its value if it is completed, else None."""
        future: Future[T | None] = Future(self._ctx.runner, as_serde(self._type).decode)
        self._ctx.machine.peek_promise(future, self.name)
        return future

    def resolve(self, value: Any = None) -> Future[None]:
        """Complete it; a Terminal with code 409 if it was completed before."""
        future: Future[None] = Future(self._ctx.runner)
        data = encode_as(self._type, value)
        self._ctx.machine.complete_promise(future, self.name, data)
        return future

    def reject(self, message: str, code: int = 500) -> Future[None]:
        """Complete it with a failure, which a Terminal tells to those who await it."""
        future: Future[None] = Future(self._ctx.runner)
        failure = wire_failure(Terminal(message, code))
        self._ctx.machine.complete_promise(future, self.name, None, failure)
        return future


def durable_futures(futures: tuple[Any, ...]) -> tuple[Future[Any], ...]:
    """Check that all are durable futures; promises become them."""
    for future in futures:
        if isinstance(future, DurablePromise):
            return durable_futures(tuple(_as_future(one) for one in futures))
        if not isinstance(future, Future):
            if iscoroutine(future):
                future.close()
            raise misuse(
                f"{type(future).__name__!r} is no durable future: give what ctx.step, ctx.call,"
                " ctx.sleep and the like return; coroutines run in a ctx.group()"
            )
    return futures


def _as_future(future: Any) -> Any:
    return future.future() if isinstance(future, DurablePromise) else future


def some_futures(futures: tuple[Any, ...]) -> tuple[Future[Any], ...]:
    """The same, where there must be one."""
    if not futures:
        raise misuse("there must be at least one future to wait for")
    return durable_futures(futures)
