"""The running context, and values of context managers, by the names of `restate.extensions`."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

from perdure.compat.context import current_context

__all__ = ["contextvar", "current_context"]

T = TypeVar("T")
_UNSET: Any = object()


class contextvar(Generic[T]):
    """Decorates an async context manager; what it yields is its `value` while it is entered."""

    def __init__(self, func: Callable[..., AbstractAsyncContextManager[T]]) -> None:
        self.func = func
        self._value: ContextVar[T] = ContextVar("value", default=_UNSET)

    @property
    def value(self) -> T:
        """What it yielded; raises LookupError where it is not entered."""
        found = self._value.get()
        if found is _UNSET:
            raise LookupError("the context manager has not been entered here")
        return found

    @asynccontextmanager
    async def __call__(self, *args: Any, **kwargs: Any) -> AsyncIterator[None]:
        async with self.func(*args, **kwargs) as value:
            token = self._value.set(value)
            try:
                yield
            finally:
                self._value.reset(token)
