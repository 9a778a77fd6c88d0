"""Several futures at once, by the names of `restate.asyncio`."""

from collections.abc import AsyncIterator
from typing import Any

from perdure.compat.exceptions import TerminalError, as_terminal_errors
from perdure.compat.futures import RestateDurableFuture
from perdure.futures import AllSettled, First

AnyFuture = RestateDurableFuture[Any]


class _FirstDone(First[None]):
    """Done with the first of its futures, whatever became of it."""

    __slots__ = ()

    def value(self) -> None:
        return None


def _checked(futures: tuple[Any, ...]) -> list[AnyFuture]:
    for one in futures:
        if not isinstance(one, RestateDurableFuture):
            raise TerminalError("All futures must SDK created futures.")
        if one.inner.owner is not futures[0].inner.owner:
            raise TerminalError("All futures must be created by the same SDK context.")
    return list(futures)


async def gather(*futures: AnyFuture) -> list[AnyFuture]:
    """Wait until all are done, and return them: each is to be awaited for its result."""
    found = _checked(futures)
    waited = tuple(one.inner for one in found if not one.inner.done)
    if waited:
        with as_terminal_errors():
            await AllSettled(waited[0].owner, waited)
    return found


async def wait_completed(*args: AnyFuture) -> tuple[list[AnyFuture], list[AnyFuture]]:
    """Wait until at least one is done; return those that are, and those that are not."""
    found = _checked(args)
    if found and not any(one.inner.done for one in found):
        with as_terminal_errors():
            await _FirstDone(found[0].inner.owner, tuple(one.inner for one in found))
    done = [one for one in found if one.inner.done]
    return done, [one for one in found if one not in done]


async def as_completed(*futures: AnyFuture) -> AsyncIterator[AnyFuture]:
    """Yield the futures as they are done."""
    waiting = list(futures)
    while waiting:
        done, waiting = await wait_completed(*waiting)
        for one in done:
            yield one


async def select(**kws: AnyFuture) -> list[Any]:
    """Wait for the first that is done; return its name and its result."""
    if not kws:
        raise ValueError("At least one future must be passed.")
    done, _ = await wait_completed(*kws.values())
    name = next(name for name, future in kws.items() if future is done[0])
    return [name, await done[0]]
