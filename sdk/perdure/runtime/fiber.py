"""One coroutine of a handler, stepped by hand: the handler itself, or a member of a group.

While it runs it is the current task of the loop that it finds running (`perdure.runtime.loop`).
"""

from __future__ import annotations

import asyncio
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine
from contextvars import Context as Variables
from typing import TYPE_CHECKING, Any

from perdure.errors import ControlFlow, Misuse
from perdure.futures import Future
from perdure.replay.slot import LOCAL, LOCAL_ERROR, PENDING, Slot
from perdure.runtime.loop import cut_short
from perdure.runtime.task import TaskFace

if TYPE_CHECKING:
    from perdure.runtime.driver import Driver


class Fiber(TaskFace):
    """Where a coroutine stands: running, waiting for a durable future, or for something of
    asyncio (`outside`)."""

    __slots__ = (
        "attempt",
        "coro",
        "error",
        "finished",
        "leaving",
        "left",
        "outside",
        "result",
        "tainted",
        "variables",
        "waiting",
    )

    def __init__(
        self,
        attempt: Driver,
        coro: Coroutine[Any, Any, Any],
        result: Future[Any] | None,
        variables: Variables | None,
    ) -> None:
        self.attempt = attempt
        self.coro = coro
        self.result = result  # None for the handler itself
        self.variables = variables  # None: those of the handler
        self.waiting: Future[Any] | None = None
        self.outside: Any = None
        self.error: BaseException | None = None
        self.finished = False
        self.leaving: ControlFlow | None = None
        self.left: BaseException | None = None  # by what it ended
        self.tainted = False  # by what it waited for: see HandlerLoop
        self._cancels = 0
        self._name = ""

    def settled(self, handle: Slot) -> None:
        """What it waits for is there."""
        self.attempt.runnable.append(self)

    def throw(self, error: BaseException) -> None:
        """Have an error raised where it waits, as soon as it may run."""
        self.error = error
        waiting = self.waiting
        if waiting is not None:
            if waiting.kind == PENDING:
                assert waiting.waiters is not None
                waiting.waiters.remove(self)
                self.attempt.runnable.append(self)
        elif self.outside is not None:
            outside = self.outside
            if asyncio.isfuture(outside):
                outside.remove_done_callback(self._resume)
            else:
                outside.cancel()
            self._resume()

    def cancel(self, msg: Any = None) -> bool:
        """What a timeout or task group of asyncio asks for: CancelledError where it waits."""
        if self.finished:
            return False
        self._cancels += 1
        if self._fut_waiter is not None and self.outside.cancel(msg):
            return True
        if self.waiting is not None and self.attempt.own_loop.tainted:
            self.throw(cut_short(self.coro))
        else:
            self.throw(asyncio.CancelledError() if msg is None else asyncio.CancelledError(msg))
        return True

    def uncancel(self) -> int:
        """Take a cancellation back; the last one also if it was not raised yet."""
        self._cancels = max(0, self._cancels - 1)
        if not self._cancels and self._must_cancel and self.waiting is self.outside is None:
            self.error = None
        return self._cancels

    def advance(self) -> BaseException | None:
        """Run until it waits again or ends; return the error that it ends with."""
        self.waiting = None
        error, self.error = self.error, None
        attempt = self.attempt
        loop = attempt.own_loop
        loop.tainted, self.tainted = self.tainted, False
        try:
            _enter_task(loop, self)  # type: ignore[arg-type]
            try:
                if self.variables is not None:
                    waits_for = self.variables.run(self._step, error)
                elif error is None:
                    waits_for = self.coro.send(None)
                else:
                    waits_for = self.coro.throw(error)
            finally:
                loop.tainted = False
                _leave_task(loop, self)  # type: ignore[arg-type]
        except StopIteration as stop:
            self._finish(LOCAL, stop.value)
            return None
        except BaseException as raised:  # noqa: BLE001
            self.left = raised
            self._finish(LOCAL_ERROR, raised)
            return raised
        if isinstance(waits_for, Future):
            if waits_for.owner is attempt and self.error is None:  # as nearly always
                self.waiting = waits_for
                waits_for.wait(self)
            else:
                self._wait_not(waits_for)
        else:
            self._wait_outside(waits_for)
        return None

    def _step(self, error: BaseException | None) -> Any:
        return self.coro.send(None) if error is None else self.coro.throw(error)

    def _finish(self, kind: int, raw: Any) -> None:
        self.finished = True
        self.attempt.fibers.pop(self, None)
        if self.result is not None:
            self.result.settle(kind, raw)
        elif kind == LOCAL:
            self.attempt.returned = raw

    def _wait_not(self, future: Future[Any]) -> None:
        """It is not this attempt's, or the fiber was cancelled while it ran."""
        if future.owner is not self.attempt:
            self.error = Misuse("this future belongs to another handler, or to an earlier attempt")
        self.attempt.runnable.append(self)

    def _wait_outside(self, waits_for: Any) -> None:
        """Wait for what asyncio would: a future of its own, or a turn of the loop."""
        attempt = self.attempt
        attempt.outside_count += 1
        if waits_for is None:
            self.outside = attempt.own_loop.call_soon(self._resume)
        elif asyncio.isfuture(waits_for):
            waits_for._asyncio_future_blocking = False
            self.outside = waits_for
            waits_for.add_done_callback(self._resume)
            if self.error is not None and waits_for.cancel():
                self.error = None
        else:
            attempt.outside_count -= 1
            self.error = RuntimeError(f"a handler cannot wait for {waits_for!r}")
            attempt.runnable.append(self)

    def _resume(self, _: Any = None) -> None:
        if self.finished or self.outside is None:
            return
        attempt = self.attempt
        self.tainted = attempt.own_loop.tainted or not attempt.turn
        self.outside = None
        attempt.outside_count -= 1
        attempt.runnable.append(self)
        attempt.drive()

    def unwind(self, error: ControlFlow) -> None:
        """Leave the coroutine by an error, which it must let pass."""
        self.leaving = error
        outside, self.outside = self.outside, None
        if outside is not None:
            self.attempt.outside_count -= 1
            if asyncio.isfuture(outside):
                outside.remove_done_callback(self._resume)
                outside.add_done_callback(_retrieved)
            outside.cancel()
        self.error = error
        self.attempt.runnable.append(self)

    def complaint(self) -> str:
        """Return what is wrong if it did not let the error pass by which it was to leave."""
        if not self.finished:
            self.finished = True
            self.coro.close()
            return "it waited for something else"
        if self.left is self.leaving:
            return ""
        return (
            "it went on to its end"
            if self.left is None
            else f"it raised {type(self.left).__name__}"
        )


def _retrieved(future: asyncio.Future[Any]) -> None:
    """Nobody waits for it any more: its exception is not to be logged."""
    if not future.cancelled():
        future.exception()


async def coroutine_of(awaitable: Any) -> Any:
    """A coroutine that awaits what is awaitable, but no coroutine itself."""
    return await awaitable
