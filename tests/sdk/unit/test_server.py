"""The SDK's own server: HTTP/2 and HTTP/1.1 on one port, and an end that loses nothing."""

import asyncio
import http.client
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import ngh2
import pytest

from perdure.service import Service
from perdure.transports.application import App
from perdure.transports.server import Server
from perdure.wire import media_type
from tests.sdk.unit.test_asgi import Echo

HEAD = [
    (b":method", b"POST"),
    (b":scheme", b"http"),
    (b":authority", b"x"),
    (b":path", b"/invoke/S/h"),
    (b"content-type", media_type(7).encode()),
]


class Place:
    def __init__(self, **options: Any) -> None:
        self.attempts: list[Echo] = []
        self.peers: list[Peer] = []
        service = Service("S")
        service.handler(name="h")(lambda ctx: None)
        self.app = App([service], self._start)
        self.server = Server(self.app.endpoint, self.app.start, **options)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.socket.getsockname()[1]

    def _start(self, *args: Any) -> Echo:
        self.attempts.append(Echo(*args))
        return self.attempts[-1]


@asynccontextmanager
async def _place(**options: Any) -> AsyncIterator[Place]:
    async with asyncio.timeout(20):
        place = Place(**options)
        await place.server.listen(place.socket)
        try:
            yield place
        finally:
            for peer in place.peers:
                peer.writer.close()
            await place.server.stop(0.2)


class Peer:
    """A client of HTTP/2 whose events are waited for."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.h2 = ngh2.Connection(ngh2.Role.CLIENT)
        self.h2.initiate_connection()
        self.events: list[ngh2.Event] = []

    @classmethod
    async def to(cls, place: Place) -> "Peer":
        peer = cls(*await asyncio.open_connection("127.0.0.1", place.port))
        place.peers.append(peer)
        return peer

    async def flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()

    async def until(self, kind: type, count: int = 1) -> list[Any]:
        while len(found := [one for one in self.events if type(one) is kind]) < count:
            data = await self.reader.read(65536)
            assert data, f"closed; got {self.events}"
            self.h2.receive_data(data)
            self.events += self.h2.events()
            self.writer.write(self.h2.data_to_send())
        return found

    def body(self, stream_id: int) -> bytes:
        data = [one for one in self.events if isinstance(one, ngh2.DataReceived)]
        return b"".join(one.data for one in data if one.stream_id == stream_id)


async def _duplex() -> None:
    async with _place() as place:
        peer = await Peer.to(place)
        first, second = peer.h2.send_request(HEAD), peer.h2.send_request(HEAD)
        peer.h2.send_data(first, b"a")
        await peer.flush()
        await peer.until(ngh2.DataReceived)
        peer.h2.send_data(second, b"b!")
        peer.h2.end_stream(second)
        peer.h2.send_data(first, b"c")
        peer.h2.end_stream(first)
        await peer.flush()
        await peer.until(ngh2.StreamClosed, 2)
        assert (peer.body(first), peer.body(second)) == (b"AC", b"B!")
        (one, _) = await peer.until(ngh2.ResponseReceived, 2)
        assert (b":status", b"200") in one.headers
        assert (b"content-type", media_type(7).encode()) in one.headers
        assert [one.said for one in place.attempts] == [["h 7", "end"], ["h 7"]]


async def _large() -> None:
    async with _place() as place:
        peer = await Peer.to(place)
        stream = peer.h2.send_request(HEAD)
        body = b"x" * 5_000_000
        peer.h2.send_data(stream, body)
        peer.h2.end_stream(stream)
        await peer.flush()
        await peer.until(ngh2.StreamClosed)
        assert peer.body(stream) == body.upper()


async def _reset_by_the_peer() -> None:
    async with _place() as place:
        peer = await Peer.to(place)
        stream = peer.h2.send_request(HEAD)
        peer.h2.send_data(stream, b"a")
        await peer.flush()
        await peer.until(ngh2.DataReceived)
        peer.h2.reset_stream(stream)
        other = peer.h2.send_request(HEAD)
        peer.h2.send_data(other, b"b!")
        await peer.flush()
        await peer.until(ngh2.DataReceived, 2)
        assert place.attempts[0].said == ["h 7", "lost"]


async def _connection_lost() -> None:
    async with _place() as place:
        peer = await Peer.to(place)
        peer.h2.send_data(peer.h2.send_request(HEAD), b"a")
        await peer.flush()
        await peer.until(ngh2.DataReceived)
        peer.writer.close()
        while place.attempts[0].said[-1] != "lost":
            await asyncio.sleep(0.005)


async def _garbage() -> None:
    async with _place() as place:
        for data in (b"\x00" * 64, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64, b"GET\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
            writer.write(data)
            try:
                while await reader.read(1000):
                    pass
            except ConnectionResetError:
                pass
            writer.close()


async def _stops() -> None:
    async with _place() as place:
        peer = await Peer.to(place)
        stream = peer.h2.send_request(HEAD)
        peer.h2.send_data(stream, b"a")
        await peer.flush()
        await peer.until(ngh2.DataReceived)
        stopping = asyncio.create_task(place.server.stop(10))
        await peer.until(ngh2.GoAwayReceived)
        peer.h2.end_stream(stream)
        await peer.flush()
        await stopping
        assert place.attempts[0].said == ["h 7", "end"]


async def _refused() -> None:
    async with _place() as place:
        peer = await Peer.to(place)
        head = [*HEAD[:3], (b":path", b"/invoke/S/other"), HEAD[4]]
        peer.h2.send_request(head, end_stream=True)
        await peer.flush()
        (answer,) = await peer.until(ngh2.ResponseReceived)
        assert answer.headers[0] == (b":status", b"404")


async def _http1() -> None:
    async with _place() as place:

        def talk() -> list[tuple[int, str | None, bytes]]:
            found = []
            connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=10)
            headers = {"content-type": media_type(6)}
            for path, body in (("/invoke/S/h", b"ab"), ("/none", b"x"), ("/p/invoke/S/h", b"c!")):
                connection.request("POST", path, body, headers)
                answer = connection.getresponse()
                found.append((answer.status, answer.getheader("content-type"), answer.read()))
            connection.request("GET", "/discover")
            answer = connection.getresponse()
            assert b"REQUEST_RESPONSE" in answer.read()
            connection.close()
            return found

        found = await asyncio.to_thread(talk)
        assert found[0] == (200, media_type(6), b"AB")
        assert found[1][0] == 404
        assert found[2] == (200, media_type(6), b"C!")


async def _http1_late_answer() -> None:
    """What comes after the request is over is sent in chunks."""

    class Late(Echo):
        def end_input(self) -> None:
            self._send(b"first ")
            loop = asyncio.get_running_loop()
            loop.call_later(0.01, self._send, b"second")
            loop.call_later(0.02, self._end)

    async with _place() as place:
        place.server._start = Late
        reader, writer = await asyncio.open_connection("127.0.0.1", place.port)
        head = f"POST /invoke/S/h HTTP/1.1\r\ncontent-type: {media_type(6)}\r\n"
        writer.write(f"{head}content-length: 1\r\n\r\nx".encode())
        answer = await reader.readuntil(b"\r\n0\r\n\r\n")
        assert b"transfer-encoding: chunked" in answer
        assert b"7\r\nXfirst \r\n6\r\nsecond\r\n" in answer
        writer.close()


@pytest.mark.parametrize(
    "story",
    [
        _duplex,
        _large,
        _reset_by_the_peer,
        _connection_lost,
        _garbage,
        _stops,
        _refused,
        _http1,
        _http1_late_answer,
    ],
)
def test_the_server(story: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(story())  # type: ignore[arg-type]
