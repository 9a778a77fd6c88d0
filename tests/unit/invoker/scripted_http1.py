"""An HTTP/1.1 server that answers with the bytes a test gives it."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable

Answer = Callable[["Request"], Awaitable[None]]


class Request:
    """One request, whole."""

    def __init__(
        self, line: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter
    ) -> None:
        self.line = line
        self.headers = headers
        self.body = body
        self.writer = writer

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    def respond(self, body: bytes, status: str = "200 OK", *headers: str) -> None:
        """A response with a length, of the content type that was asked for."""
        kind = self.headers["accept"].partition(",")[0]
        lines = [
            f"HTTP/1.1 {status}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            *headers,
        ]
        self.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def close(self) -> None:
        self.writer.close()


class ScriptedHttp1:
    """Counts connections; `answers` are used in turn, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = list(answers)
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.requests: list[Request] = []
        self.reads = asyncio.Event()  # bodies; heads it always reads
        self.reads.set()
        self.connection_count = 0
        self.port = 0
        self.scheme = "http"

    @property
    def uri(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/"

    async def start(self, tls: ssl.SSLContext | None = None) -> "ScriptedHttp1":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self.scheme = "http" if tls is None else "https"
        return self

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connection_count += 1
        self._writers.append(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *rest = head.strip().split("\r\n")
                headers = {k.lower(): v for k, v in (one.split(": ", 1) for one in rest)}
                await self.reads.wait()
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                request = Request(line, headers, body, writer)
                self.requests.append(request)
                answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
                await answer(request)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()
