"""Sagas: what was done is undone, last to first, when the handler cannot go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any

from perdure.errors import terminal_of

if TYPE_CHECKING:
    from perdure.context import Context
    from perdure.futures import Future


class Saga:
    """`async with ctx.saga() as saga`: each `undo` is a step, run last to first if a Terminal
    error (a cancellation is one) leaves the block; that error goes on afterwards."""

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
        for step in self._steps(error):
            await step

    def __enter__(self) -> Saga:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for step in self._steps(error):
            step.result()

    def _steps(self, error: BaseException | None) -> Iterator[Future[Any]]:
        """Each is begun once the one before it has been waited for."""
        if terminal_of(error) is not None:
            while self._undo:
                fn, args, kwargs = self._undo.pop()
                yield self._ctx.step(fn, *args, **kwargs)
