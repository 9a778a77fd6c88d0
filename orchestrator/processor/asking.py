"""The engine's answers for coroutines. The answer to a cancelled question is dropped."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TypeVar

from orchestrator.processor.port import Chunk, Engine, Found, Stream, Unavailable

T = TypeVar("T")


async def answer_to(ask: Callable[[Callable[[T], None]], object]) -> T:
    """The value given to the callback that `ask` is called with."""
    waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()

    def on_answer(value: T) -> None:
        if not waiter.done():
            waiter.set_result(value)

    ask(on_answer)
    return await waiter


async def find(engine: Engine, invocation_id: bytes) -> Found:
    """As `Engine.find`."""
    return await answer_to(lambda on_found: engine.find(invocation_id, on_found))


async def chunks(stream: Stream[T]) -> AsyncGenerator[list[T] | Unavailable]:
    """Chunk by chunk as they are taken, then perhaps Unavailable; close it to cancel the stream."""
    try:
        while True:
            given: Chunk[T] | Unavailable = await answer_to(stream.pull)
            if isinstance(given, Unavailable):
                yield given
                return
            yield given.items
            if given.last:
                return
    finally:
        stream.cancel()


async def collect(stream: Stream[T]) -> list[T] | Unavailable:
    """All items; for streams that are known to be small enough to be held."""
    items: list[T] = []
    async for some in chunks(stream):
        if isinstance(some, Unavailable):
            return some
        items += some
    return items
