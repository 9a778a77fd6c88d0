"""What an attempt has sent and its transport has not taken yet."""

import asyncio


class Outgoing:
    """What an attempt has sent and the server has not taken yet."""

    __slots__ = ("_loop", "_waiter", "chunks", "over")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiter: asyncio.Future[None] | None = None
        self.chunks: list[bytes] = []
        self.over = False

    def send(self, data: bytes) -> None:
        self.chunks.append(data)
        self._wake()

    def end(self) -> None:
        self.over = True
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    async def take(self) -> bytes:
        """Return what there is, as soon as there is anything; b"" at the end, or before it."""
        if not self.chunks and not self.over:
            self._waiter = self._loop.create_future()
            await self._waiter
        chunks, self.chunks = self.chunks, []
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)
