"""HTTP/1.1 on asyncio's streams; connections are kept and used by one request at a time."""

import asyncio
from typing import Final

from perdure.client.async_exchange import AsyncExchange
from perdure.client.places import Place
from perdure.client.request import Request, Response
from perdure.client.retrying import Unsent
from perdure.retry import Retry

_IDLE_MAX: Final = 256
_CONNECT_TIMEOUT_S: Final = 10.0
_LINES_MAX: Final = 256  # of the head of an answer


class BadAnswer(ConnectionError):
    """What came back is no HTTP, or was cut short."""


class _Connection:
    """One request after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.reusable = True

    @property
    def is_alive(self) -> bool:
        return not (self._reader.at_eof() or self._writer.is_closing())

    def close(self) -> None:
        self._writer.close()

    async def exchange(self, head: bytes, body: bytes) -> Response:
        self.reusable = False
        self._writer.write(head + body)
        await self._writer.drain()
        while True:
            status, headers = await self._head()
            if status >= 200:
                break
        data = await self._body(status, headers)
        return Response(status, headers, data)

    async def _head(self) -> tuple[int, dict[str, str]]:
        try:
            version, code, *_ = (await self._line()).split(" ", 2)
            status = int(code)
        except ValueError:
            raise BadAnswer("the answer is no HTTP") from None
        headers: dict[str, str] = {}
        for _ in range(_LINES_MAX):
            line = await self._line()
            if not line:
                break
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        else:
            raise BadAnswer("the head of the answer is too long")
        closing = headers.get("connection", "").lower()
        self._keeps = closing != "close" if version == "HTTP/1.1" else closing == "keep-alive"
        return status, headers

    async def _body(self, status: int, headers: dict[str, str]) -> bytes:
        try:
            if status in (204, 304):
                data = b""
            elif "chunked" in headers.get("transfer-encoding", "").lower():
                data = await self._chunks()
            elif (length := headers.get("content-length")) is not None:
                data = await self._reader.readexactly(int(length))
            else:
                self._keeps = False
                data = await self._reader.read()
        except (asyncio.IncompleteReadError, ValueError) as error:
            raise BadAnswer(f"the answer was cut short: {error}") from None
        self.reusable = self._keeps
        return data

    async def _chunks(self) -> bytes:
        parts = []
        while size := int((await self._line()).partition(";")[0], 16):
            parts.append(await self._reader.readexactly(size))
            await self._line()
        while await self._line():
            pass  # trailers
        return b"".join(parts)

    async def _line(self) -> str:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise BadAnswer("the server closed the connection")
        return line.rstrip(b"\r\n").decode("latin-1")


class AsyncHttp(AsyncExchange):
    """Makes requests to one server, on one event loop."""

    def __init__(self, place: Place, headers: dict[str, str], retry: Retry) -> None:
        super().__init__(retry)
        self._place = place
        self._headers = {"host": place.authority, **headers}
        self._idle: list[_Connection] = []
        self._closed = False

    async def close(self) -> None:
        """Close what is idle; requests under way end by themselves."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        await asyncio.sleep(0)

    async def _once(self, request: Request) -> Response:
        connection = await self._take()
        try:
            response = await connection.exchange(self._head(request), request.body)
        finally:
            if connection.reusable and not self._closed and len(self._idle) < _IDLE_MAX:
                self._idle.append(connection)
            else:
                connection.close()
        return response

    def _head(self, request: Request) -> bytes:
        lines = [f"{request.method} {self._place.prefix}{request.path} HTTP/1.1"]
        for name, value in {**self._headers, **request.headers}.items():
            if "\n" in name + value or "\r" in name + value:
                raise ValueError(f"the header {name!r} has a line break")
            lines.append(f"{name}: {value}")
        if request.body or request.method != "GET":
            lines.append(f"content-length: {len(request.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8")

    async def _take(self) -> _Connection:
        if self._closed:
            raise RuntimeError("the client is closed")
        while self._idle:
            connection = self._idle.pop()
            if connection.is_alive:
                return connection
            connection.close()
        place = self._place
        try:
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                streams = await asyncio.open_connection(place.host, place.port, ssl=place.tls)
        except TimeoutError:
            raise Unsent(f"no connection within {_CONNECT_TIMEOUT_S} s to {place.shown}") from None
        except OSError as error:
            raise Unsent(f"no connection to {place.shown}: {error}") from error
        return _Connection(*streams)
