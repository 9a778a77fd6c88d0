"""Runs a plain `def` handler in a thread, as a coroutine that the attempt steps like any other.

Either the thread runs or the event loop goes on with the attempt, never both: while the thread
runs `attempt.in_thread` is set, and the loop does no more than to take bytes in.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from contextvars import copy_context
from queue import SimpleQueue
from threading import get_ident
from typing import TYPE_CHECKING, Any

from perdure.errors import AttemptEnded, ControlFlow
from perdure.futures import Future
from perdure.replay.slot import LOCAL, PENDING
from perdure.runtime.threads import handler_threads

if TYPE_CHECKING:
    from perdure.runtime.attempt import Attempt


class _Ended:
    """How the handler ended."""

    __slots__ = ("error", "value")

    def __init__(self, value: Any, error: BaseException | None) -> None:
        self.value = value
        self.error = error


class _Until:
    """Awaits a future without taking its result."""

    __slots__ = ("_future",)

    def __init__(self, future: Future[Any]) -> None:
        self._future = future

    def __await__(self) -> Generator[Any, None, None]:
        if self._future.kind == PENDING:
            yield self._future


class Bridge:
    """Between one attempt and the thread of its handler."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._is_member = attempt.bridge is not None  # of a group, whose handler waits
        self._asked: Future[Any] = Future(attempt)
        self._answers: SimpleQueue[BaseException | None] = SimpleQueue()
        self._thread_id = 0

    async def run(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run the handler, or a member of its group, and give its result."""
        self._hand_over()
        work = functools.partial(self._work, call, args, kwargs)
        handler_threads.run(copy_context(), work, at_once=self._is_member)
        while True:
            asked = await self._asked
            if type(asked) is _Ended:
                if asked.error is not None:
                    raise asked.error
                return asked.value
            error: BaseException | None = None
            try:
                await _Until(asked)
            except Exception as raised:  # noqa: BLE001 - Cancelled, for the thread to see
                error = raised
            except ControlFlow as ended:
                self._answers.put(ended)
                raise
            self._asked = Future(self._attempt)
            self._hand_over()
            self._answers.put(error)

    def _hand_over(self) -> None:
        handler_threads.drop(self._attempt)
        self._attempt.in_thread = True
        self._attempt.thread_id = self._thread_id
        self._attempt.bridge = self

    def block(self, future: Future[Any]) -> None:
        """Wait for a future; called in the thread."""
        self._attempt.loop.call_soon_threadsafe(self._take, future)
        error = self._answers.get()
        if error is not None:
            raise error

    def _work(
        self, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._thread_id = self._attempt.thread_id = get_ident()
        try:
            ended = _Ended(call(*args, **kwargs), None)
        except BaseException as error:  # noqa: BLE001 - the attempt tells them apart
            ended = _Ended(None, error)
        try:
            self._attempt.loop.call_soon_threadsafe(self._take, ended)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
            pass

    def _take(self, asked: Any) -> None:
        """In the loop: the thread waits, or its handler has ended."""
        if self._attempt.over:
            if type(asked) is not _Ended:
                self._answers.put(AttemptEnded())
            return
        self._attempt.in_thread = False
        self._attempt.thread_id = get_ident()
        if self._asked.kind == PENDING:
            self._asked.settle(LOCAL, asked)
            self._attempt.drive()
