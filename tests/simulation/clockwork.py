"""Virtual time: an event loop that never waits, and what a simulated process sees of it.

Nothing in a simulation asks the real clock: when nobody is ready the loop jumps to the next timer.
"""

import asyncio
from asyncio import Handle, TimerHandle
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import Any, Protocol, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
EPOCH_MS = 1_700_000_000_000


class Deadlock(Exception):
    """Nobody is ready, and no timer is armed."""


class GivenUp(Exception):
    """What there was to be found has been found."""


class VirtualLoop(asyncio.BaseEventLoop):
    """An asyncio loop whose clock is a number.

    It does what the loop it extends does with its queue and its timers, without what only a loop
    that waits for files needs: worlds are made of hundreds of thousands of callbacks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self.skew_ms = 0  # the wall clock of the machine is set anew now and then
        self.turned_back_ms = 0  # by how much in all
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[float, int, TimerHandle]] = []
        self._timer_numbers = count()
        self.is_given_up = False  # nothing that was begun goes on

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, at_s: float, callback: Callable[[*Ts], object], *args: *Ts, context: Any = None
    ) -> TimerHandle:
        handle = TimerHandle(at_s, callback, args, self, context)
        heappush(self._timers, (at_s, next(self._timer_numbers), handle))
        return handle

    def call_later(
        self, delay_s: float, callback: Callable[[*Ts], object], *args: *Ts, context: Any = None
    ) -> TimerHandle:
        return self.call_at(self.now_s + delay_s, callback, *args, context=context)

    def _run_once(self) -> None:
        """All that is ready now, or else all that is due first."""
        if self.is_given_up:
            self._ready.clear()  # the end of the world may be among it
            raise GivenUp
        ready, timers = self._ready, self._timers
        while timers and timers[0][2].cancelled():
            heappop(timers)
        if not ready:
            if not timers:
                raise Deadlock("nothing will ever happen")
            self.now_s = max(self.now_s, timers[0][0])
        while timers and timers[0][0] <= self.now_s:
            ready.append(heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def time(self) -> float:
        return self.now_s

    def now_ms(self) -> int:
        return EPOCH_MS + int(self.now_s * 1000) + self.skew_ms

    def set_clock(self, by_ms: int) -> None:
        """The wall clock jumps; time goes on as before."""
        self.skew_ms += by_ms
        self.turned_back_ms += max(0, -by_ms)


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
