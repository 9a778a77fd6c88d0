"""Virtual time: an event loop that never waits, and what a simulated process sees of it.

Nothing in a simulation asks the real clock: when nobody is ready the loop jumps to the next timer.
"""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from random import Random
from typing import Any, Protocol, TypeVar

T = TypeVar("T")
EPOCH_MS = 1_700_000_000_000


class Deadlock(Exception):
    """Nobody is ready, and no timer is armed."""


class _Selector:
    """Waits for nothing: time passes at once."""

    def __init__(self, loop: "VirtualLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock("nothing will ever happen")
        if timeout > 0:
            self._loop.now_s += timeout
        return []


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop whose clock is a number."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.skew_ms = 0  # the wall clock of the machine is set anew now and then
        self.turned_back_ms = 0  # by how much in all
        self._selector = _Selector(self)

    def time(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return EPOCH_MS + int(self.now_s * 1000) + self.skew_ms

    def set_clock(self, by_ms: int) -> None:
        """The wall clock jumps; time goes on as before."""
        self.skew_ms += by_ms
        self.turned_back_ms += max(0, -by_ms)

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


class Life(Protocol):
    """A process, as its scheduler sees it."""

    def lives(self) -> bool:
        """Whether it goes on; a moment at which it may die."""
        ...


class Machine(Life, Protocol):
    """A process whose threads may be slow."""

    def stall_s(self) -> float:
        """How much longer a call takes that is made in a thread."""
        ...


class _Timer:
    def __init__(self, handle: asyncio.Handle) -> None:
        self._handle = handle

    def cancel(self) -> None:
        self._handle.cancel()


class ProcessClock:
    """The `Clock` port."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def now_ms(self) -> int:
        return self._loop.now_ms()

    def monotonic_ms(self) -> int:
        return int(self._loop.now_s * 1000)


class ProcessScheduler:
    """The `Scheduler` port of one process: what it waits for is lost with it; timers are late."""

    def __init__(self, loop: VirtualLoop, life: Machine, random: Random, late_s: float) -> None:
        self._loop = loop
        self._life = life
        self._random = random
        self._late_s = late_s
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._task_count = 0
        self.time_s = loop.time

    def call_soon(self, callback: Callable[[], object]) -> object:
        return self._loop.call_soon(self._run, callback)

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> _Timer:
        late_s = self._random.random() * self._late_s
        return _Timer(self._loop.call_later(delay_s + late_s, self._run, callback))

    def spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = self._loop.create_task(coroutine, name=name)
        number = self._task_count
        self._task_count += 1
        self._tasks[number] = task
        task.add_done_callback(partial(self._ended, number))
        return task

    async def sleep(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s + self._random.random() * self._late_s)

    async def in_thread(self, call: Callable[[], T]) -> T:
        await asyncio.sleep(self._random.random() * 0.02 + self._life.stall_s())
        return call()

    def end(self) -> None:
        """The process is dead: none of its tasks goes on."""
        for number in sorted(self._tasks):
            self._tasks[number].cancel()

    def _ended(self, number: int, task: asyncio.Task[None]) -> None:
        del self._tasks[number]
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": str(error), "exception": error})

    def _run(self, callback: Callable[[], object]) -> None:
        if self._life.lives():
            callback()
