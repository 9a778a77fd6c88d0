"""One request of an async client, made again as often as it may be; how it travels is the part of
those that derive from this."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from perdure.client.request import Request, Response
from perdure.client.retrying import WORTH_RETRYING, Pauses
from perdure.retry import Retry


class AsyncExchange:
    """Makes requests, each of them by `_once` as often as `retry` and the request allow."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry

    def exchange(self, request: Request, timeout_s: float | None) -> Coroutine[Any, Any, Response]:
        """Return the answer; raises TimeoutError after so many seconds, and ConnectionError."""
        if timeout_s is None:
            return self._with_retries(request)
        return self._within(request, timeout_s)

    async def _within(self, request: Request, timeout_s: float) -> Response:
        try:
            async with asyncio.timeout(timeout_s):
                return await self._with_retries(request)
        except TimeoutError:
            raise TimeoutError(f"no answer within {timeout_s} s") from None

    async def _with_retries(self, request: Request) -> Response:
        pauses: Pauses | None = None
        while True:
            try:
                response = await self._once(request)
            except OSError as error:
                pauses = pauses or Pauses(request, self._retry)
                pause_s = pauses.after_error(error)
            else:
                if response.status not in WORTH_RETRYING:
                    return response
                pauses = pauses or Pauses(request, self._retry)
                again_s = pauses.after(response)
                if again_s is None:
                    return response
                pause_s = again_s
            await asyncio.sleep(pause_s)

    async def _once(self, request: Request) -> Response:
        """Make it once; raises OSError."""
        raise NotImplementedError
