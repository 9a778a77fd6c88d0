"""Requests to an engine in the same process: as over HTTP, without sockets."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, Protocol
from urllib.parse import unquote

import msgspec

from perdure.client.async_exchange import AsyncExchange
from perdure.client.request import Request, Response
from perdure.retry import Retry

RETRY: Final = Retry(
    initial=timedelta(milliseconds=1),
    factor=2.0,
    max_interval=timedelta(milliseconds=50),
    max_attempts=20,
)
"""An engine that crashed is there again at once."""

_STATUSES: Final = {"DONE": 202, "ACCEPTED": 202, "NOT_FOUND": 404}


class Answered(Protocol):
    """An answer of the ingress."""

    @property
    def status(self) -> int: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def body(self) -> bytes: ...


class InProcessEngine(Protocol):
    """What a client needs of an engine."""

    async def request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Answered:
        """Raises ConnectionError if the engine ends before it has answered."""
        ...

    async def cancel(self, invocation_id: str) -> str:
        """What became of it."""
        ...


class InProcessHttp(AsyncExchange):
    """Makes requests to one engine, on its event loop."""

    def __init__(self, engine: InProcessEngine) -> None:
        super().__init__(RETRY)
        self._engine = engine

    async def close(self) -> None:
        """There are no connections."""

    async def _once(self, request: Request) -> Response:
        if request.to_admin:
            return await self._cancel(request.path.split("/")[2])
        found = await self._engine.request(
            request.method, request.path, request.headers, request.body
        )
        return Response(found.status, found.headers, found.body)

    async def _cancel(self, invocation_id: str) -> Response:
        try:
            answer = await self._engine.cancel(unquote(invocation_id))
        except ValueError as error:  # it is no id
            return Response(400, {}, msgspec.json.encode({"message": str(error)}))
        status = _STATUSES.get(answer, 409)
        body: dict[str, Any] = {"message": f"{invocation_id}: {answer}"}
        return Response(status, {}, msgspec.json.encode(body))
