"""Groups of coroutines that end together: see Context.group."""

from __future__ import annotations

import inspect
from collections.abc import Coroutine
from types import TracebackType
from typing import TYPE_CHECKING, Any

from perdure.errors import Cancelled
from perdure.futures import AllSettled, Future, Gather
from perdure.misuse import misuse
from perdure.replay.slot import PENDING

if TYPE_CHECKING:
    from perdure.runtime.attempt import Attempt
    from perdure.runtime.fiber import Fiber


class FiberGroup:
    """What `async with ctx.group() as g` gives."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt
        self._members: list[tuple[Fiber, Future[Any]]] = []
        self._futures: list[Future[Any]] = []
        self._open = False

    def start(self, work: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a coroutine function, or a coroutine, beside the others; return its result to come.
        A durable future is waited for like the others."""
        if not self._open:
            raise misuse("a group takes work only inside its `async with` block")
        if isinstance(work, Future):
            self._futures.append(work)
            return work
        coro = work(*args, **kwargs) if callable(work) else work
        if isinstance(coro, Future):
            self._futures.append(coro)
            return coro
        if not inspect.iscoroutine(coro):
            raise misuse(f"a group runs coroutines, not {type(coro).__name__!r}")
        return self._begin(coro)

    def start_plain(self, work: Any, *args: Any, **kwargs: Any) -> Future[Any]:
        """The same in a plain `def` handler, for plain functions."""
        if isinstance(work, Future):
            return self.start(work)
        if not self._open:
            raise misuse("a group takes work only inside its `with` block")
        if not callable(work) or inspect.iscoroutinefunction(work):
            raise misuse("a group of a plain def handler runs plain functions")
        return self._begin(self._attempt.in_a_thread(work, *args, **kwargs))

    def _begin(self, coro: Coroutine[Any, Any, Any]) -> Future[Any]:
        fiber, result = self._attempt.start(coro)
        self._members.append((fiber, result))
        self._futures.append(result)
        return result

    def open(self) -> None:
        """Take work from now on."""
        self._open = True

    def end_in_place(self, error: BaseException | None) -> None:
        """End the block in a plain `def` handler, as `__aexit__` does it."""
        if error is not None and not isinstance(error, Exception):
            return  # the attempt is over
        fiber, result = self._attempt.start(self.__aexit__(type(error), error, None))
        try:
            result.result()
        except Exception as cut:
            if not fiber.finished:  # cancelled: it passes that on to its members
                fiber.throw(cut)
                AllSettled(self._attempt, (result,)).result()
            raise

    async def __aenter__(self) -> FiberGroup:
        self._open = True
        return self

    async def __aexit__(
        self,
        kind: Any,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        if error is not None and not isinstance(error, Exception):
            self._open = False
            return None  # the attempt is over
        try:
            if error is None:
                await self._all()
        except Exception:
            await self._cancel()
            raise
        if error is not None:
            await self._cancel()
        self._open = False
        return None

    async def _all(self) -> None:
        """Wait for all, also for those that members start meanwhile."""
        count = -1
        while count != len(self._futures):
            count = len(self._futures)
            await Gather(self._attempt, tuple(self._futures))

    async def _cancel(self) -> None:
        """Cancel the members that still run, and wait until all have ended."""
        self._open = False
        for fiber, result in self._members:
            if result.kind == PENDING:
                fiber.throw(Cancelled("its group has ended"))
        await AllSettled(self._attempt, tuple(result for _, result in self._members))
