"""Answers that are passed on as they come, to clients that take them."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from starlette.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

_log = logging.getLogger("perdure.admin")

TAKE_S_MAX: Final = 30.0  # for a client to take a part of an answer
UNFINISHED: Final = "perdure.unfinished"
"""Extension of a server: `close` ends the connection of an answer that has no end."""


class Streamed(StreamingResponse):
    """Parts for a client that takes them: one that stops is cut off.

    Whatever ends the answer, its parts end with it. `errors` are what making them may raise: the
    client sees by the missing end that the answer is not whole.
    """

    def __init__(
        self,
        what: str,
        first: bytes,
        parts: AsyncGenerator[bytes],
        headers: dict[str, str],
        errors: tuple[type[Exception], ...],
    ) -> None:
        super().__init__(_joined(first, parts), headers=headers)
        self._what = what
        self._parts = parts
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def hurried(message: Message) -> None:
            async with asyncio.timeout(TAKE_S_MAX):
                await send(message)

        unfinished = scope.get("extensions", {}).get(UNFINISHED, {}).get("close", lambda: None)
        try:
            await super().__call__(scope, receive, hurried)
        except TimeoutError:
            _log.warning("the client of %s took nothing for %g s: cut off", self._what, TAKE_S_MAX)
            unfinished()
        except self._errors as error:
            _log.warning("%s failed after a part of its answer was sent: %s", self._what, error)
            unfinished()
        finally:
            await self._parts.aclose()


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in rest:
        yield part
