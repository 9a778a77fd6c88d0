"""One request of operators is worked on in a round of the event loop.

That loop serves calls, too. Some answers take ten milliseconds to make, and hundreds of clients may
ask for them at the same time: so calls wait for one of them at most.
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class OneARound:
    """Requests take turns to begin, and to go on once their body is there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:
            message = await receive()
            if message.get("body") and not message.get("more_body", False):
                await self._turn()
            return message

        await self._turn()
        await self._app(scope, received, send)

    async def _turn(self) -> None:
        async with self._lock:
            await asyncio.sleep(0)
