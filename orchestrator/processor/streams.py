"""Streams over what this process reads: chunks of a bounded size, taken when they are pulled."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Generic, TypeVar

from orchestrator.processor.port import CHUNK_BYTES_MAX, Chunk, Unavailable
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.store.port import StoreError

CHUNK_ITEMS_MAX = 2_000  # small ones cost time rather than memory: a few ms

T = TypeVar("T", bound=tuple[object, bytes])
OnChunk = Callable[[Chunk[T] | Unavailable], None]


class Gone(Exception):
    """What an iterator was reading is not there any more."""


class LocalStream(Generic[T]):
    """Pulls from an iterator whose items end in their bytes; a store that fails ends it."""

    def __init__(
        self,
        items: Iterator[T],
        scheduler: Scheduler,
        on_error: Callable[[StoreError], Unavailable],
    ) -> None:
        self._items: Iterator[T] | None = items
        self._scheduler = scheduler
        self._on_error = on_error

    def pull(self, on_chunk: OnChunk[T]) -> None:
        self._scheduler.call_soon(partial(self._give, on_chunk))

    def _give(self, on_chunk: OnChunk[T]) -> None:
        if self._items is None:
            return
        try:
            chunk: Chunk[T] | Unavailable = _take(self._items)
        except StoreError as error:
            self.cancel()
            chunk = self._on_error(error)
        except Gone as error:
            self.cancel()
            chunk = Unavailable(str(error), False)
        on_chunk(chunk)

    def cancel(self) -> None:
        self._items = None  # and with it what it holds of the store


class EndedStream(Generic[T]):
    """Has one chunk, which is the last, or says why there is none."""

    def __init__(self, answer: Chunk[T] | Unavailable, scheduler: Scheduler) -> None:
        self._answer = answer
        self._scheduler = scheduler
        self._is_cancelled = False

    def pull(self, on_chunk: OnChunk[T]) -> None:
        self._scheduler.call_soon(partial(self._give, on_chunk))

    def _give(self, on_chunk: OnChunk[T]) -> None:
        if not self._is_cancelled:
            on_chunk(self._answer)

    def cancel(self) -> None:
        self._is_cancelled = True


def _take(items: Iterator[T]) -> Chunk[T]:
    """The next chunk; `last` once the items have come to their end."""
    some: list[T] = []
    room = CHUNK_BYTES_MAX
    for item in items:
        some.append(item)
        room -= len(item[1])
        if room <= 0 or len(some) == CHUNK_ITEMS_MAX:
            return Chunk(some, False)
    return Chunk(some, True)
