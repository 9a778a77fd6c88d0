"""Threads for plain `def` functions: kept while there is work, made when none is free.

Handlers wait in their threads for steps, for members of their groups and for other handlers. So
steps have threads of their own, members get one in any case, and where handlers wait for a thread,
those that hold one without running are asked to give it back: they suspend.
"""

import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from typing import Final, Protocol

THREADS_MAX: Final = 1024
"""Work beyond it waits for a free thread."""
_IDLE_MAX: Final = 64

Work = tuple[Context, Callable[[], None]]


class Holder(Protocol):
    """Who has a thread that waits."""

    def give_back(self) -> None:
        """Give the thread back soon, if it still waits; called in any thread."""


class Threads:
    """Runs work, each in a thread of its own; the work catches its own errors."""

    def __init__(self, threads_max: int = THREADS_MAX) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Work | None]] = []
        self._waiting: deque[Work] = deque()
        self._holders: dict[Holder, None] = {}  # those that have waited longest first
        self._count = 0
        self._threads_max = threads_max

    @property
    def is_short(self) -> bool:
        """Whether work waits for a thread."""
        return bool(self._waiting)

    def hold(self, holder: Holder) -> None:
        """Take note of a thread that waits and could be given back."""
        with self._lock:
            self._holders[holder] = None

    def drop(self, holder: Holder) -> None:
        """Take note that it runs again, or has ended."""
        with self._lock:
            self._holders.pop(holder, None)

    def run(self, context: Context, work: Callable[[], None], at_once: bool = False) -> None:
        """Have work done in a context of its own; `at_once` it waits for no other work."""
        holder: Holder | None = None
        with self._lock:
            if self._idle:
                self._idle.pop().put((context, work))
            elif self._count < self._threads_max or at_once:
                self._count += 1
                self._begin(context, work)
            else:
                self._waiting.append((context, work))
                if self._holders:
                    holder = next(iter(self._holders))
                    del self._holders[holder]
        if holder is not None:
            holder.give_back()

    def _begin(self, context: Context, work: Callable[[], None]) -> None:
        name = f"perdure-{self._count}"
        threading.Thread(
            target=self._serve, args=((context, work),), name=name, daemon=True
        ).start()

    def _serve(self, first: Work) -> None:
        inbox: SimpleQueue[Work | None] = SimpleQueue()
        todo: Work | None = first
        while todo is not None:
            context, work = todo
            context.run(work)
            del context, work, todo
            todo = self._next(inbox)

    def _next(self, inbox: SimpleQueue[Work | None]) -> Work | None:
        with self._lock:
            if self._waiting:
                return self._waiting.popleft()
            if len(self._idle) >= _IDLE_MAX:
                self._count -= 1
                return None
            self._idle.append(inbox)
        return inbox.get()


# Of the whole process: an idle thread costs nothing but its stack.
handler_threads: Final = Threads()
step_threads: Final = Threads()
