"""One coroutine of a handler, stepped by hand: the handler itself, or a member of a group."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from perdure.errors import Misuse
from perdure.futures import Future
from perdure.replay.slot import LOCAL, LOCAL_ERROR, PENDING, Slot

if TYPE_CHECKING:
    from perdure.runtime.attempt import Attempt


class Fiber:
    """Where a coroutine stands: running, waiting for a durable future, or for something of
    asyncio, which nothing but the event loop knows (`outside`)."""

    __slots__ = ("attempt", "coro", "error", "finished", "outside", "result", "waiting")

    def __init__(
        self, attempt: Attempt, coro: Coroutine[Any, Any, Any], result: Future[Any] | None
    ) -> None:
        self.attempt = attempt
        self.coro = coro
        self.result = result  # None for the handler itself
        self.waiting: Future[Any] | None = None
        self.outside: Any = None
        self.error: BaseException | None = None
        self.finished = False

    def settled(self, handle: Slot) -> None:
        """What it waits for is there."""
        self.attempt.runnable.append(self)

    def throw(self, error: BaseException) -> None:
        """Have an error raised where it waits, as soon as it may run."""
        self.error = error
        waiting = self.waiting
        if waiting is None:
            return
        if waiting.kind == PENDING:
            assert waiting.waiters is not None
            waiting.waiters.remove(self)
            self.attempt.runnable.append(self)

    def advance(self) -> BaseException | None:
        """Run until it waits again or ends; return the error that it ends with."""
        self.waiting = None
        error = self.error
        try:
            if error is None:
                waits_for = self.coro.send(None)
            else:
                self.error = None
                waits_for = self.coro.throw(error)
        except StopIteration as stop:
            self._finish(LOCAL, stop.value)
            return None
        except BaseException as raised:  # noqa: BLE001
            self._finish(LOCAL_ERROR, raised)
            return raised
        if type(waits_for) is Future or isinstance(waits_for, Future):
            self._wait(waits_for)
        else:
            self._wait_outside(waits_for)
        return None

    def _finish(self, kind: int, raw: Any) -> None:
        self.finished = True
        if self.result is not None:
            self.result.settle(kind, raw)
        elif kind == LOCAL:
            self.attempt.returned = raw

    def _wait(self, future: Future[Any]) -> None:
        if future.owner is not self.attempt:
            self.error = Misuse("this future belongs to another handler, or to an earlier attempt")
            self.attempt.runnable.append(self)
            return
        self.waiting = future
        future.wait(self)

    def _wait_outside(self, waits_for: Any) -> None:
        """Wait for what asyncio would: a future of its own, or a turn of the loop."""
        attempt = self.attempt
        attempt.outside_count += 1
        if waits_for is None:
            self.outside = attempt.loop.call_soon(self._resume)
        elif asyncio.isfuture(waits_for):
            waits_for._asyncio_future_blocking = False
            self.outside = waits_for
            waits_for.add_done_callback(self._resume)
        else:
            attempt.outside_count -= 1
            self.error = RuntimeError(f"a handler cannot wait for {waits_for!r}")
            attempt.runnable.append(self)

    def _resume(self, _: Any = None) -> None:
        if self.finished or self.outside is None:
            return
        self.outside = None
        self.attempt.outside_count -= 1
        self.attempt.runnable.append(self)
        self.attempt.drive()

    def unwind(self, error: BaseException) -> str:
        """Leave the coroutine by an error; return what is wrong if it did not let it pass."""
        if self.finished:
            return ""
        self.finished = True
        outside, self.outside = self.outside, None
        if outside is not None:
            outside.cancel()
        try:
            self.coro.throw(error)
        except type(error):
            return ""
        except StopIteration:
            return "it went on to its end"
        except BaseException as raised:  # noqa: BLE001
            return f"it raised {type(raised).__name__}"
        self.coro.close()
        return "it waited for something else"


async def coroutine_of(awaitable: Any) -> Any:
    """A coroutine that awaits what is awaitable, but no coroutine itself."""
    return await awaitable
