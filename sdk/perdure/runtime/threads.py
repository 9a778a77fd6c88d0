"""Threads for plain `def` functions: kept while there is work, made when none is free."""

import threading
from collections import deque
from collections.abc import Callable
from contextvars import Context
from queue import SimpleQueue
from typing import Final

THREADS_MAX: Final = 1024
"""Work beyond it waits for a free thread."""
_IDLE_MAX: Final = 64

Work = tuple[Context, Callable[[], None]]


class Threads:
    """Runs work, each in a thread of its own; the work catches its own errors."""

    def __init__(self, threads_max: int = THREADS_MAX) -> None:
        self._lock = threading.Lock()
        self._idle: list[SimpleQueue[Work | None]] = []
        self._waiting: deque[Work] = deque()
        self._count = 0
        self._threads_max = threads_max

    def run(self, context: Context, work: Callable[[], None]) -> None:
        """Have work done in a context of its own."""
        with self._lock:
            if self._idle:
                self._idle.pop().put((context, work))
                return
            if self._count >= self._threads_max:
                self._waiting.append((context, work))
                return
            self._count += 1
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


threads: Final = Threads()
"""Of the whole process: an idle thread costs nothing but its stack."""
