"""Runs the coroutines of a handler until all of them wait, and settles notifications in between.

The order of what they ask for follows from the order of notifications alone: fibers and callbacks
of the handler's loop run in turn, and the next notification is settled when none is left.
"""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context as Variables
from contextvars import copy_context
from datetime import timedelta
from threading import get_ident
from typing import Any, Final, TypeVar

from perdure.errors import Cancelled, ControlFlow
from perdure.futures import FIBERS, NOBODYS, TASKS, Future
from perdure.replay import Machine, ReplayError
from perdure.runtime.fiber import Fiber
from perdure.runtime.loop import HandlerLoop, cross

T = TypeVar("T")

_ROUNDS_MAX: Final = 100
"""Of the handler's loop, before the next notification is settled: code that polls is not waited
for any longer."""


class Driver:
    """See the module. `loop` is the real one, `own_loop` the one that the handler sees."""

    def __init__(self, machine: Machine, loop: AbstractEventLoop) -> None:
        self.machine = machine
        self.loop = loop
        self.own_loop = HandlerLoop(self)  # type: ignore[abstract]
        self.runnable: deque[Fiber] = deque()
        self.fibers: dict[Fiber, None] = {}  # that have not ended, in the order of their start
        self.outside_count = 0  # fibers that wait for something of asyncio
        self.at_end: tuple[tuple[Any, Callable[[Any], object]], ...] = ()
        self.turn = NOBODYS
        self.thread_id = get_ident()
        self.in_thread = False  # the thread of a plain `def` handler runs: see Bridge
        self.variables: Variables | None = None
        self.returned: Any = None
        self.over = False
        self._is_inside = False  # of `variables`
        self._ended_with: tuple[BaseException | None] | None = None
        self._drive_is_due = False

    # -- what an attempt does

    @property
    def place(self) -> tuple[str, int]:
        """File and line of the handler."""
        raise NotImplementedError

    def fail(self, error: ReplayError, raised: BaseException | None = None) -> None:
        """End the attempt: the journal or the protocol is broken."""
        raise NotImplementedError

    def end_with(self, error: BaseException | None) -> None:
        """The handler has returned or raised."""
        raise NotImplementedError

    def wait(self) -> None:
        """All of the handler waits, and no notification is left."""
        raise NotImplementedError

    def sleep_for(self, delta: timedelta, name: str = "") -> Future[None]:
        """Start a durable timer."""
        raise NotImplementedError

    def block(self, future: Future[Any]) -> None:
        """Wait in the thread of a plain `def` handler."""
        raise NotImplementedError

    # -- running

    def begin(
        self,
        coro: Coroutine[Any, Any, Any],
        result: Future[Any] | None,
        variables: Variables | None,
    ) -> Fiber:
        """Run a coroutine; `result` is None for the handler itself."""
        fiber = Fiber(self, coro, result, variables)
        self.fibers[fiber] = None
        self.runnable.append(fiber)
        return fiber

    def start(self, coro: Coroutine[Any, Any, Any]) -> tuple[Fiber, Future[Any]]:
        """Run a coroutine beside the handler."""
        result: Future[Any] = Future(self)
        return self.begin(coro, result, copy_context()), result

    def drive(self) -> None:
        """Go on as far as what is known allows."""
        variables = self.variables
        if self.over or self.turn or self.in_thread or variables is None:
            return
        if self._is_inside:
            self.run_all()
            return
        self._is_inside = True
        try:
            variables.run(self.run_all)
        finally:
            self._is_inside = False

    def drive_soon(self) -> None:
        """Drive in a turn of the real loop of its own, unless the attempt is driven now."""
        if not (self.turn or self._drive_is_due or self.over):
            self._drive_is_due = True
            self.loop.call_soon(self._drive_late)

    def _drive_late(self) -> None:
        self._drive_is_due = False
        self.drive()

    def inside(self, call: Callable[..., T], *args: Any) -> T:
        """Call with the context variables of the handler, which may be in force already."""
        variables = self.variables
        if variables is None or self._is_inside:
            return call(*args)
        self._is_inside = True
        try:
            return variables.run(call, *args)
        finally:
            self._is_inside = False

    def run_all(self) -> None:
        """Run until all waits and no notification is left."""
        broken: ReplayError | None = None
        machine, runnable, loop = self.machine, self.runnable, self.own_loop
        notices = machine.notices
        entered = loop.enter()
        self.turn = FIBERS
        try:
            # One notification after the other, each when all that can run has run.
            while True:
                if (runnable or loop.ready or machine.broken is not None) and not self._run():
                    break
                if not (notices and self._deliver()):
                    break
        except ReplayError as error:
            broken = error
        finally:
            self.turn = NOBODYS
            loop.leave(entered)
        # What follows calls the transport, which must find its own loop running.
        if broken is not None:
            self.fail(broken)
        elif self._ended_with is not None:
            self.end_with(self._ended_with[0])
        elif not (self.over or self.in_thread):
            self.wait()

    def _run(self) -> bool:
        """Run all that can run; False if the attempt is over, or its thread runs."""
        machine, runnable, loop = self.machine, self.runnable, self.own_loop
        rounds = 0
        while True:
            if machine.broken is not None:
                raise machine.broken
            while runnable:
                fiber = runnable.popleft()
                if fiber.finished:
                    continue
                error = fiber.advance()
                if machine.broken is not None or (fiber.finished and fiber.result is None):
                    self._ended_with = (error,)
                    return False
                if self.in_thread:  # one at a time
                    return False
            if not loop.ready:
                return True
            self.turn = TASKS
            loop.run_round()
            self.turn = FIBERS
            rounds += 1
            if rounds == _ROUNDS_MAX:
                return True

    @property
    def _waits_durably(self) -> bool:
        return bool(self.own_loop.crossings) or any(fiber.waiting for fiber in self.fibers)

    @property
    def waits_outside(self) -> bool:
        """Whether something is under way that will go on without a notification."""
        return self.outside_count > 0 and (
            self.own_loop.outside_count > 0 or not self._waits_durably
        )

    def _deliver(self) -> bool:
        """Settle the next notification; False if none is left."""
        if self.outside_count and not self._waits_durably:
            return False
        machine = self.machine
        while machine.deliver():
            if not machine.cancelled:
                return True
            if not machine.unknown_children():
                machine.cancel_children()
                self._cancel()
                return True
        return False

    def _cancel(self) -> None:
        """Raise Cancelled in the handler where it waits; groups pass it on to their members."""
        for fiber in self.fibers:
            if fiber.result is None:
                fiber.throw(Cancelled())

    def cross(self, future: Future[Any]) -> Generator[Any, None, None]:
        """Wait for a future in a task of asyncio that the handler has started."""
        return cross(self.own_loop, future)

    def awaited(self) -> list[Any]:
        """What is waited for, by the handler or on its behalf."""
        if self.machine.cancelled:
            return list(self.machine.unknown_children())
        waiting = [fiber.waiting for fiber in self.fibers if fiber.waiting is not None]
        return waiting + [crossing.future for crossing in self.own_loop.crossings]

    def leave_all(self, error: ControlFlow) -> list[str]:
        """Leave all that has not ended by an error; return what is wrong if it did not pass.

        What code does in its `finally` may take turns of its loop, but no longer than that."""
        fibers, tasks = tuple(self.fibers), tuple(self.own_loop.tasks)
        entered = self.own_loop.enter()
        try:
            self.runnable.clear()
            for fiber in fibers:
                fiber.unwind(error)
            self._take_turns()
            for task in tasks:
                task.cancel()
            self._take_turns()
            complaints = [fiber.complaint() for fiber in fibers]
            self.own_loop.close()
        finally:
            self.turn = NOBODYS
            self.own_loop.leave(entered)
        return [complaint for complaint in complaints if complaint]

    def _take_turns(self) -> None:
        loop, runnable = self.own_loop, self.runnable
        for _ in range(_ROUNDS_MAX):
            self.turn = FIBERS
            while runnable:
                fiber = runnable.popleft()
                if not fiber.finished:
                    fiber.advance()
            if not loop.ready:
                return
            self.turn = TASKS
            loop.run_round()
