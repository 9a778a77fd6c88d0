"""The event loop that code of a handler finds running: its tasks and callbacks run inside the
attempt, in turn.

Libraries make tasks, gather futures and open task groups on the running loop. On the real one,
the order in which those ask for steps would depend on what else runs there. Here callbacks wait in
one queue, which is empty before the next notification is settled: so the same journal gives the
same order. What only the world outside can do (timers, threads, sockets) is done by the real loop.

A callback that the world outside caused, and what follows from it, is `tainted`: no later attempt
would see it at the same place. It must not end a wait for something durable.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.events import _get_running_loop, _set_running_loop
from asyncio.futures import _set_result_unless_cancelled as _end_of_sleep  # type: ignore[attr-defined]
from asyncio.tasks import _enter_task, _leave_task, current_task
from collections import deque
from collections.abc import Callable, Generator
from contextvars import Context as Variables
from typing import TYPE_CHECKING, Any, Final

from perdure.errors import Misuse
from perdure.misuse import warn_here, where_waits
from perdure.replay.slot import PENDING, Slot

if TYPE_CHECKING:
    from perdure.futures import Future
    from perdure.runtime.driver import Driver

_INPUT_OUTPUT: Final = (
    "connect_accepted_socket",
    "connect_read_pipe",
    "connect_write_pipe",
    "create_connection",
    "create_datagram_endpoint",
    "create_server",
    "create_unix_connection",
    "create_unix_server",
    "getaddrinfo",
    "getnameinfo",
    "sendfile",
    "sock_accept",
    "sock_connect",
    "sock_recv",
    "sock_recv_into",
    "sock_recvfrom",
    "sock_recvfrom_into",
    "sock_sendall",
    "sock_sendfile",
    "sock_sendto",
    "start_tls",
    "subprocess_exec",
    "subprocess_shell",
)
_AS_THE_REAL: Final = (
    "add_reader",
    "add_signal_handler",
    "add_writer",
    "call_exception_handler",
    "default_exception_handler",
    "get_exception_handler",
    "remove_reader",
    "remove_signal_handler",
    "remove_writer",
)


_task_of: Callable[[asyncio.AbstractEventLoop], Any] = current_task
if sys.version_info < (3, 12):  # there it is not in C
    _task_of = asyncio.tasks._current_tasks.get  # type: ignore[attr-defined]


class _Tainted(asyncio.Handle):
    """A callback that the world outside caused."""


class _Timer(asyncio.TimerHandle):
    """A callback at a time of the real loop."""

    real: asyncio.TimerHandle
    is_sleep = False

    def cancel(self) -> None:
        if not self.cancelled():
            self.real.cancel()
            super().cancel()


class HandlerLoop(asyncio.AbstractEventLoop):
    """See the module."""

    def __init__(self, attempt: Driver) -> None:
        self.attempt = attempt
        self.ready: deque[asyncio.Handle] = deque()
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.crossings: dict[Crossing, None] = {}
        self.outside_count = 0  # what the handler waits for that the real loop will bring
        self.tainted = False
        self._now_s: float | None = None

    def enter(self) -> tuple[asyncio.AbstractEventLoop | None, asyncio.Task[Any] | None]:
        """Be the running loop; return what was before."""
        outer = _get_running_loop()
        task = None if outer is None else _task_of(outer)
        if outer is not None and task is not None:
            _leave_task(outer, task)
        _set_running_loop(self)
        return outer, task

    def leave(
        self, entered: tuple[asyncio.AbstractEventLoop | None, asyncio.Task[Any] | None]
    ) -> None:
        """Let what was before be again."""
        outer, task = entered
        self._now_s = None
        _set_running_loop(outer)
        if outer is not None and task is not None:
            _enter_task(outer, task)

    def run_round(self) -> None:
        """Run what is ready now."""
        ready = self.ready
        for _ in range(len(ready)):
            handle = ready.popleft()
            self.tainted = type(handle) is not asyncio.Handle
            if not handle.cancelled():
                handle._run()
        self.tainted = False

    def _push(self, handle: asyncio.Handle) -> None:
        self.ready.append(handle)
        self.attempt.drive_soon()

    # -- what asyncio asks of a loop

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Variables | None = None
    ) -> asyncio.Handle:
        tainted = self.tainted or not self.attempt.turn
        handle = (_Tainted if tainted else asyncio.Handle)(callback, args, self, context)
        self._push(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: Variables | None = None
    ) -> asyncio.Handle:
        handle = _Tainted(callback, args, self, context)
        self.attempt.loop.call_soon_threadsafe(self._push, handle)
        return handle

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Variables | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., Any],
        *args: Any,
        context: Variables | None = None,
    ) -> asyncio.TimerHandle:
        handle = _Timer(when, callback, args, self, context)
        if callback is _end_of_sleep:
            self._warn("asyncio.sleep in a handler starts anew in every attempt: use ctx.sleep")
            handle.is_sleep = True
            self.outside_count += 1
        handle.real = self.attempt.loop.call_at(when, self._fire, handle)
        return handle

    def _warn(self, message: str) -> None:
        warn_here(message, self.attempt.place)

    def _fire(self, handle: _Timer) -> None:
        self._timer_handle_cancelled(handle)
        self._push(handle)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        if isinstance(handle, _Timer) and handle.is_sleep:
            handle.is_sleep = False
            self.outside_count -= 1

    def time(self) -> float:
        """Stands still until all of the handler waits: whether a deadline has passed while it ran
        would be another thing in each attempt."""
        if _get_running_loop() is not self:
            return self.attempt.loop.time()
        if self._now_s is None:
            self._now_s = self.attempt.loop.time()
        return self._now_s

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, **options: Any) -> asyncio.Task[Any]:
        options.pop("eager_start", None)  # a task begins in its turn
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, **options)
        self.tasks[task] = None
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)
        if self.attempt.over:
            task._log_traceback = False

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        self._warn("a thread in a handler does its work again in every attempt: use ctx.step")
        return self.bring(self.attempt.loop.run_in_executor(executor, func, *args))

    def bring(self, real: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """Return a future of this loop that ends as one of the real loop does."""
        brought = self.create_future()
        self.outside_count += 1

        def done(_: Any) -> None:
            self.outside_count -= 1
            if brought.done():
                return
            if real.cancelled():
                brought.cancel()
            elif (error := real.exception()) is not None:
                brought.set_exception(error)
            else:
                brought.set_result(real.result())

        real.add_done_callback(done)
        brought.add_done_callback(lambda _: real.cancel())
        return brought

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def get_debug(self) -> bool:
        return False

    def get_task_factory(self) -> None:
        return None

    # -- the end

    def close(self) -> None:
        """Drop all tasks that have not ended."""
        self.ready.clear()
        self.crossings.clear()
        while self.tasks:
            task, _ = self.tasks.popitem()
            if task.done():
                continue
            task._log_destroy_pending = False  # type: ignore[attr-defined]
            coro: Any = task.get_coro()
            try:
                coro.close()
            except Exception:  # noqa: BLE001 - it was asked to end before; the attempt is over
                pass
        self.ready.clear()


NO_LOOP: Final = HandlerLoop(None)  # type: ignore[abstract, arg-type]
"""That of an attempt which is over."""


def _by_the_real(name: str) -> Callable[..., Any]:
    def call(self: HandlerLoop, *args: Any, **options: Any) -> Any:
        return getattr(self.attempt.loop, name)(*args, **options)

    return call


def _input_output(name: str) -> Callable[..., Any]:
    async def call(self: HandlerLoop, *args: Any, **options: Any) -> Any:
        self._warn("input or output in a handler is done again in every attempt: use ctx.step")
        real = self.attempt.loop
        return await self.bring(real.create_task(getattr(real, name)(*args, **options)))

    return call


for _name in _AS_THE_REAL:
    setattr(HandlerLoop, _name, _by_the_real(_name))
for _name in _INPUT_OUTPUT:
    setattr(HandlerLoop, _name, _input_output(_name))


class Crossing(asyncio.Future[None]):
    """Where a task of asyncio waits for a durable future."""

    def __init__(self, loop: HandlerLoop, future: Future[Any]) -> None:
        super().__init__(loop=loop)
        self._of = loop
        self._task: Any = current_task(loop)
        self.future = future
        loop.crossings[self] = None
        future.wait(self)

    def settled(self, handle: Slot) -> None:
        """What it waits for is there."""
        self._of.crossings.pop(self, None)
        if not self.done():
            self.set_result(None)

    def cancel(self, msg: Any | None = None) -> bool:
        if self.done():
            return False
        self._of.crossings.pop(self, None)
        if self.future.kind == PENDING and self.future.waiters:
            self.future.waiters.remove(self)
        if self._of.tainted:
            self.set_exception(cut_short(self._task.get_coro()))
            return True
        return super().cancel(msg)


def cut_short(coro: Any) -> BaseException:
    """The error of a wait that asyncio ended when no later attempt would."""
    return Misuse(
        "a timeout or cancellation of asyncio ended the wait for a durable result, and no later"
        " attempt would do the same: use .timeout(...) of the future",
        *where_waits(coro),
    )


def cross(loop: HandlerLoop, future: Future[Any]) -> Generator[Any, None, None]:
    """Wait in a task of asyncio."""
    return Crossing(loop, future).__await__()
