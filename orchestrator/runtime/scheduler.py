"""Waiting, as the engine does it: injected, so that a simulation can own the order of things."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

CallSoon = Callable[[Callable[[], None]], object]
"""`call_soon` of an event loop."""


class Timer(Protocol):
    """A callback that is due later."""

    def cancel(self) -> None: ...


class Task(Protocol):
    """A coroutine that runs by itself."""

    def cancel(self) -> object: ...

    def done(self) -> bool: ...


class Scheduler(Protocol):
    """All that waits goes through here; everything runs on one event loop."""

    def time_s(self) -> float:
        """A clock for intervals, in seconds; never goes back."""
        ...

    def call_soon(self, callback: Callable[[], object]) -> object:
        """Call in the next round of the loop, in the order of the calls to this method."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> Timer:
        """Call after the delay, or later if the loop is busy."""
        ...

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> Task:
        """Run it as a task, which is kept until it ends."""
        ...

    async def sleep(self, delay_s: float) -> None: ...

    async def in_thread(self, call: Callable[[], T]) -> T:
        """Run what blocks for long, and releases the GIL meanwhile, off the loop."""
        ...


class LoopScheduler:
    """The running asyncio loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self.time_s = self._loop.time
        self.call_soon = self._loop.call_soon
        self.call_later = self._loop.call_later

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine, name=name)
        self._tasks.add(task)  # the loop keeps only weak references
        task.add_done_callback(self._tasks.discard)
        return task

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)

    async def in_thread(self, call: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(None, call)
