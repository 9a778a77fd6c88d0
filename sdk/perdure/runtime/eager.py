"""Tasks that take their first step at once: most steps never wait for anything, and end in it.

From Python 3.12 on asyncio has such tasks. For 3.11 its task in pure Python is taken, and begun by
hand: so code that asks for the current task finds the same one before and after it has waited.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Coroutine
from contextvars import Context as Variables
from typing import Any

Begun = tuple[asyncio.Task[Any] | None, Any]
"""The task of a coroutine that waits, or None and what it has returned."""


class _Staying(Coroutine[Any, Any, Any]):
    """A coroutine in which `sys.exit()` is an error like any other: asyncio would end the process
    of the service by it, and again with each retry of the step."""

    __slots__ = ("_coro",)

    def __init__(self, coro: Coroutine[Any, Any, Any]) -> None:
        self._coro = coro

    def send(self, value: Any) -> Any:
        try:
            return self._coro.send(value)
        except SystemExit as error:
            raise RuntimeError(f"a step raised SystemExit: {error.code}") from error

    def throw(self, *error: Any) -> Any:
        try:
            return self._coro.throw(*error)
        except SystemExit as raised:
            raise RuntimeError(f"a step raised SystemExit: {raised.code}") from raised

    def close(self) -> None:
        self._coro.close()

    def __await__(self) -> Any:
        return self._coro.__await__()


if sys.version_info >= (3, 12):

    def begin_task(
        coro: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        variables: Variables,
        name: str,
    ) -> Begun:
        """Run a coroutine until it waits or ends; raises what it ends with. `loop` is the one that
        runs, `variables` are those in force."""
        task = asyncio.Task(_Staying(coro), loop=loop, name=name, eager_start=True)
        return (None, task.result()) if task.done() else (task, None)

else:
    from asyncio.tasks import _register_task

    _current_tasks: Any = asyncio.tasks._current_tasks  # type: ignore[attr-defined]
    _Task: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
    _Future: Any = _Task.__base__
    _FINISHED: Any = asyncio.futures._FINISHED  # type: ignore[attr-defined]

    class _Begun(_Task):  # type: ignore[misc]
        """A task whose first step is taken by who makes it."""

        _num_cancels_requested = 0
        _must_cancel = False
        _fut_waiter = None

        def __init__(
            self,
            coro: Coroutine[Any, Any, Any],
            loop: asyncio.AbstractEventLoop,
            variables: Variables,
            name: str,
        ) -> None:
            # What the constructors of Future and Task set, without a callback for the first step.
            self._loop = loop
            self._callbacks: list[Any] = []
            self._name = name
            self._coro: Any = coro
            self._context = variables

    class _Waiting:
        """Stands for a coroutine that has said what it waits for, until its task asks it."""

        def __init__(self, task: _Begun, waits_for: Any) -> None:
            self._task = task
            self._coro = task._coro
            self._waits_for = waits_for

        def send(self, _: None) -> Any:
            self._task._coro = _Staying(self._coro)
            return self._waits_for

        def throw(self, _: BaseException) -> Any:
            self._task._must_cancel = True  # it cancelled itself: then what it waits for is to end
            return self.send(None)

    def begin_task(
        coro: Coroutine[Any, Any, Any],
        loop: asyncio.AbstractEventLoop,
        variables: Variables,
        name: str,
    ) -> Begun:
        """Run a coroutine until it waits or ends; raises what it ends with. `loop` is the one that
        runs, `variables` are those in force."""
        task: Any = _Begun(coro, loop, variables, name)
        outer = _current_tasks.get(loop)
        if outer is not None:
            _leave_task(loop, outer)
        _enter_task(loop, task)
        try:
            waits_for = coro.send(None)
        except StopIteration as stop:
            if task._must_cancel:
                _Future.cancel(task)
                raise asyncio.CancelledError from None
            if task._callbacks:
                _Future.set_result(task, stop.value)
            else:  # nobody is to be told
                task._result, task._state = stop.value, _FINISHED
            return None, stop.value
        except asyncio.CancelledError:
            _Future.cancel(task)
            raise
        except BaseException as error:
            _Future.set_exception(task, error)
            task._log_traceback = False  # it is raised here
            raise
        finally:
            _leave_task(loop, task)
            if outer is not None:
                _enter_task(loop, outer)
        task._coro = _Waiting(task, waits_for)
        if outer is not None:
            _leave_task(loop, outer)
        try:
            task._Task__step()
        finally:
            if outer is not None:
                _enter_task(loop, outer)
        _register_task(task)
        return task, None
