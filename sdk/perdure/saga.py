"""Sagas: what was done is undone, last to first, when the handler cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from perdure.errors import Terminal, terminal_of

if TYPE_CHECKING:
    from perdure.context import Context
    from perdure.futures import Future


class Saga:
    """`async with ctx.saga() as saga`: each `undo` is a step, run last to first if a Terminal
    error (a cancellation is one) leaves the block; that error goes on afterwards. One that fails
    for good does not keep the others from being run: its error leaves the block instead."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._undo: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []

    def undo(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Take note of how to undo what is about to be done; `name` and `retry` are the step's."""
        self._undo.append((fn, args, kwargs))

    async def __aenter__(self) -> Saga:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        undoing = _Undoing()
        for step in self._steps(error):
            while undoing.waits_for(step):
                with undoing:
                    await step.map(_nothing)
        undoing.finish()

    def __enter__(self) -> Saga:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        undoing = _Undoing()
        for step in self._steps(error):
            while undoing.waits_for(step):
                with undoing:
                    step.map(_nothing).result()
        undoing.finish()

    def _steps(self, error: BaseException | None) -> Iterator[Future[Any]]:
        """Each is begun once the one before it has been waited for."""
        if terminal_of(error) is not None:
            while self._undo:
                fn, args, kwargs = self._undo.pop()
                yield self._ctx.step(fn, *args, **kwargs)


class _Undoing:
    """Goes on after a step that fails for good, and after a cancellation, which ends the waiting
    for a step and not the step: what is left is undone all the same. The first such error leaves
    the block at the end."""

    def __init__(self) -> None:
        self._first: Terminal | None = None
        self._step: Future[Any] | None = None

    def waits_for(self, step: Future[Any]) -> bool:
        """Whether a step is still to be waited for."""
        if step is self._step and step.done:
            return False
        self._step = step
        return True

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, Terminal):
            return False
        self._first = self._first or error
        return True

    def finish(self) -> None:
        if self._first is not None:
            raise self._first


def _nothing(value: Any) -> None:
    """What it returns is of no interest."""
