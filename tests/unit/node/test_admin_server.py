"""The admin server keeps the body of a request that offers h2c, however it is cut."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from orchestrator.node import admin_server
from orchestrator.node.admin_server import HEAD_BYTES_MAX, PART_BYTES, AdminServer

OFFER = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQA\r\n"


async def echo(request: Request) -> JSONResponse:
    return JSONResponse({"body": (await request.body()).decode(), "headers": dict(request.headers)})


async def slow(request: Request) -> JSONResponse:
    await asyncio.sleep(0.2)
    return JSONResponse("done")


async def endless(request: Request) -> JSONResponse:
    await asyncio.sleep(3600)
    return JSONResponse("never")


async def _rows() -> AsyncIterator[bytes]:
    yield b"row"
    await asyncio.sleep(3600)


async def rows(request: Request) -> StreamingResponse:
    return StreamingResponse(_rows())


async def large(request: Request) -> JSONResponse:
    return JSONResponse("x" * (16 << 20))  # more than sockets hold


APP = Starlette(
    routes=[
        Route("/large", large),
        Route("/echo", echo, methods=["POST"]),
        Route("/slow", slow),
        Route("/endless", endless),
        Route("/rows", rows),
    ]
)


def run(check: Callable[[AdminServer, int], Awaitable[None]]) -> None:
    async def serve() -> None:
        server = AdminServer(APP)
        listening = socket.create_server(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        await server.start(listening)
        try:
            await check(server, port)
        finally:
            await server.stop(1)

    asyncio.run(asyncio.wait_for(serve(), 20))


def post(body: bytes) -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST /echo HTTP/1.1\r\nHost: a\r\nX-Mine: 1\r\n" + OFFER + length + b"\r\n" + body


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, Any]:
    head = await reader.readuntil(b"\r\n\r\n")
    size = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    return head, json.loads(await reader.readexactly(size))


@pytest.mark.parametrize("step", [1, 7, 1_000_000])
def test_an_offer_of_h2c_keeps_its_body(step: int) -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            data = post(b"hello")
            for at in range(0, len(data), step):
                writer.write(data[at : at + step])
                await writer.drain()
                await asyncio.sleep(0)
            head, said = await answer(reader)
            assert head.startswith(b"HTTP/1.1 200")
            assert said["body"] == "hello"
            assert said["headers"] == {"host": "a", "x-mine": "1", "content-length": "5"}
        writer.close()

    run(check)


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET  /slow HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /slow  HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /slow RTSP/1.0\r\nHost: a\r\n\r\n",
        b"GET /slow HTTP/2.0\r\nHost: a\r\n\r\n",
        b"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /slow HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST  /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx",
    ],
)
def test_what_is_not_http_gets_400(data: bytes) -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(data)
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 400") and b"application/json" in head
        assert json.loads(body)["restate_code"] == "PD0701"
        writer.close()

    run(check)


def test_a_client_that_closes_its_side_gets_its_answer() -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        writer.write_eof()
        answer = await reader.read()
        assert b"connection: close" in answer
        assert answer.endswith(b'"done"')
        writer.close()

    run(check)


def test_answers_under_way_go_out_before_the_end() -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.05)
        await server.stop(5)
        assert (await reader.read()).endswith(b'"done"')
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    run(check)


def test_a_head_without_end_is_refused() -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\nX-Large: " + b"x" * HEAD_BYTES_MAX)
        assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        writer.close()

    run(check)


def test_the_limit_of_a_head_is_exact() -> None:
    async def check(server: AdminServer, port: int) -> None:
        for size, status in ((HEAD_BYTES_MAX - 100, 200), (HEAD_BYTES_MAX + 100, 431)):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            head = b"GET /slow HTTP/1.1\r\nConnection: close\r\nX-Large: "
            writer.write(head + b"x" * (size - len(head) - 4) + b"\r\n\r\n")
            assert (await reader.read()).startswith(b"HTTP/1.1 %d " % status)
            writer.close()

    run(check)


def test_a_head_that_trickles_is_ended_and_so_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_server, "HEAD_S_MAX", 0.2)

    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        silent, silent_writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):  # a second request has the same time as the first
            writer.write(post(b"hello"))
            await answer(reader)
            await asyncio.sleep(0.15)
        for byte in b"GET /":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
        assert (await reader.read()).startswith(b"HTTP/1.1 408 ")
        assert await silent.read() == b""
        writer.close()
        silent_writer.close()

    run(check)


def chunked(body: bytes, size: int = 1) -> bytes:
    chunks = [b"%x\r\n%b\r\n" % (size, body[at : at + size]) for at in range(0, len(body), size)]
    return (
        b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"".join(chunks)
        + b"0\r\n\r\n"
    )


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many parts of bodies, and requests, came in each callback that parses."""
    counts: list[int] = []
    protocol = admin_server._Protocol
    parse, on_body = protocol._parse_part, protocol.on_body
    begin = protocol.on_message_begin

    def counted_parse(self: Any) -> None:
        counts.append(0)
        parse(self)

    def counted_body(self: Any, body: bytes) -> None:
        counts[-1] += 1
        on_body(self, body)

    def counted_begin(self: Any) -> None:
        counts[-1] += 1
        begin(self)

    monkeypatch.setattr(protocol, "_parse_part", counted_parse)
    monkeypatch.setattr(protocol, "on_body", counted_body)
    monkeypatch.setattr(protocol, "on_message_begin", counted_begin)
    yield counts


@pytest.mark.parametrize("closes", [False, True])
def test_a_body_of_chunks_of_one_byte_is_parsed_a_part_at_a_time(
    parts: list[int], closes: bool
) -> None:
    text = b"0123456789" * 20_000

    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(chunked(text))
        if closes:
            writer.write_eof()
        else:
            writer.write(post(b"next"))
        _, said = await answer(reader)
        assert said["body"] == text.decode()
        if not closes:
            _, said = await answer(reader)
            assert said["body"] == "next"
        writer.close()

    run(check)
    assert sum(parts) >= len(text) and max(parts) <= PART_BYTES / 6 + 1


def test_a_body_of_known_length_is_one_part(parts: list[int]) -> None:
    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(3):  # the head that follows a large body is small, however it comes
            data = post(b"x" * 3_000_000)
            writer.write(data[:50])
            await writer.drain()
            await asyncio.sleep(0.01)
            writer.write(data[50:])
            _, said = await answer(reader)
            assert len(said["body"]) == 3_000_000
        writer.close()

    run(check)
    assert len(parts) < 1000


def test_requests_that_are_sent_ahead_wait_as_bytes(parts: list[int]) -> None:
    count = 3_000

    async def check(server: AdminServer, port: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" * count)
        for _ in range(count):
            await answer(reader)
        writer.close()

    run(check)
    assert sum(parts) == count and max(parts) < 100


def test_connections_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_server, "CONNECTIONS_MAX", 2)

    async def check(server: AdminServer, port: int) -> None:
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        reader, refused = await asyncio.open_connection("127.0.0.1", port)
        assert (await reader.read()).startswith(b"HTTP/1.1 503 ")
        refused.close()
        kept[0][1].write(post(b"hello"))
        assert (await answer(kept[0][0]))[0].startswith(b"HTTP/1.1 200")
        for _, writer in kept:
            writer.close()

    run(check)


@pytest.mark.parametrize(
    ("sent", "gives_way"),
    [(b"", True), (b"GET /a HTTP/1.1\r\nx:", True), (post(b"hello")[:-2], False)],
    ids=["nothing", "a part of a head", "a part of a body"],
)
def test_who_is_idle_gives_way_to_who_comes(
    monkeypatch: pytest.MonkeyPatch, sent: bytes, gives_way: bool
) -> None:
    """So that nobody keeps operators and probes out with connections that do nothing."""
    monkeypatch.setattr(admin_server, "CONNECTIONS_MAX", 2)
    monkeypatch.setattr(admin_server, "IDLE_S", 0.05)

    async def check(server: AdminServer, port: int) -> None:
        old_reader, old = await asyncio.open_connection("127.0.0.1", port)
        old.write(sent)
        await asyncio.sleep(0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(post(b"hello"))
        assert (await answer(reader))[0].startswith(b"HTTP/1.1 200")
        new_reader, new = await asyncio.open_connection("127.0.0.1", port)
        new.write(post(b"hello"))
        status = b"HTTP/1.1 200" if gives_way else b"HTTP/1.1 503"
        assert (await answer(new_reader))[0].startswith(status)
        if gives_way:
            assert await old_reader.read() == b""
        for one in (old, writer, new):
            one.close()

    run(check)


def test_what_is_under_way_when_the_server_ends_is_told_so_and_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def check(server: AdminServer, port: int) -> None:
        waiting = await asyncio.open_connection("127.0.0.1", port)
        waiting[1].write(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
        reading = await asyncio.open_connection("127.0.0.1", port)
        reading[1].write(b"GET /rows HTTP/1.1\r\nHost: a\r\n\r\n")
        await reading[0].readuntil(b"row\r\n")
        await server.stop(0.05)
        head, said = await answer(waiting[0])
        assert head.startswith(b"HTTP/1.1 503") and "shutting down" in said["message"]
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reading[0].readuntil(b"0\r\n\r\n")  # as if that were all
        for _, writer in (waiting, reading):
            writer.close()

    with caplog.at_level(logging.INFO):
        run(check)
    assert not [one for one in caplog.records if one.levelno >= logging.ERROR]


def test_who_does_not_take_the_last_answer_is_cut_off() -> None:
    """Neither what streams nor what is whole holds up the end."""

    async def check(server: AdminServer, port: int) -> None:
        deaf = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        for connection, path in zip(deaf, (b"/large", b"/rows"), strict=True):
            connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        await asyncio.sleep(0.1)
        assert len(server._state.connections) == 2
        async with asyncio.timeout(5):
            await server.stop(0.2)
            while server._state.connections:
                await asyncio.sleep(0.01)
        for connection in deaf:
            connection.close()

    run(check)
