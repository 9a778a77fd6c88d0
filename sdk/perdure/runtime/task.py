"""What a fiber shows of itself as the current task of asyncio: what timeouts, task groups and
libraries ask of the task that they run in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.runtime.driver import Driver


class TaskFace:
    """See the module; `cancel` and `uncancel` are the fiber's own."""

    __slots__ = ("__weakref__", "_cancels", "_name")

    attempt: Driver
    coro: Coroutine[Any, Any, Any]
    outside: Any
    finished: bool
    error: BaseException | None

    _cancels: int
    _name: str

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        return self.attempt.own_loop

    @property
    def _coro(self) -> Coroutine[Any, Any, Any]:
        return self.coro

    @property
    def _fut_waiter(self) -> Any:
        return self.outside if asyncio.isfuture(self.outside) else None

    @property
    def _must_cancel(self) -> bool:
        return isinstance(self.error, asyncio.CancelledError)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self.attempt.own_loop

    def get_coro(self) -> Coroutine[Any, Any, Any]:
        return self.coro

    def get_context(self) -> Variables:
        return copy_context()

    def get_name(self) -> str:
        return self._name or getattr(self.coro, "__qualname__", "handler")

    def set_name(self, value: object) -> None:
        self._name = str(value)

    def done(self) -> bool:
        return self.finished

    def cancelled(self) -> bool:
        return False

    def cancelling(self) -> int:
        return self._cancels

    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Variables | None = None
    ) -> None:
        """Have a callback called when the handler has ended, or this attempt of it."""
        self.attempt.at_end += ((self, callback),)

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        at_end = self.attempt.at_end
        left = tuple(one for one in at_end if one != (self, callback))
        self.attempt.at_end = left
        return len(at_end) - len(left)
