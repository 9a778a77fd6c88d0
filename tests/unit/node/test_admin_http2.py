"""The admin server over HTTP/2 by prior knowledge, on the same port as HTTP/1.1."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from orchestrator.node.admin_server import AdminServer
from tests.unit.ingress.h2client import Http2Client
from tests.unit.ingress.test_http1 import wait_for

PART = b"p" * 50_000


async def echo(request: Request) -> JSONResponse:
    body = await request.body()
    return JSONResponse(
        {
            "size": len(body),
            "path": request.url.path,
            "query": dict(request.query_params),
            "host": request.headers["host"],
            "server": request.scope["server"],
        }
    )


async def parts(request: Request) -> StreamingResponse:
    async def made() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield PART

    return StreamingResponse(made())


async def endless(request: Request) -> StreamingResponse:
    async def made() -> AsyncIterator[bytes]:
        while True:
            yield PART

    return StreamingResponse(made())


async def slow(request: Request) -> Response:
    await asyncio.sleep(0.3)
    return JSONResponse("done")


async def bug(request: Request) -> Response:
    raise RuntimeError("a bug")


async def halfway(request: Request) -> StreamingResponse:
    async def made() -> AsyncIterator[bytes]:
        yield PART
        raise RuntimeError("halfway")

    return StreamingResponse(made())


APP = Starlette(
    routes=[
        Route("/echo", echo, methods=["POST", "GET"]),
        Route("/a b/c", echo),
        Route("/parts", parts),
        Route("/endless", endless),
        Route("/slow", slow),
        Route("/bug", bug),
        Route("/halfway", halfway),
    ]
)


class Running:
    """A server on a loop of its own thread."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.server = AdminServer(APP)
        listening = socket.create_server(("127.0.0.1", 0))
        self.address: tuple[str, int] = listening.getsockname()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.run(lambda: self.server.start(listening))

    def run(self, make: Callable[[], object]) -> None:
        asyncio.run_coroutine_threadsafe(make(), self.loop).result(20)  # type: ignore[arg-type]

    def end(self) -> None:
        self.run(lambda: self.server.stop(2))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.end()


@pytest.fixture
def client(running: Running) -> Iterator[Http2Client]:
    with Http2Client(running.address) as made:
        yield made


def test_requests_and_answers(running: Running, client: Http2Client) -> None:
    for size in (0, 10, 200_000):
        answer = client.request("POST", "/echo?a=1", b"x" * size)
        assert answer.status == 200 and answer.headers["content-type"] == "application/json"
        assert b'"size":%d,"path":"/echo","query":{"a":"1"},"host":"a"' % size in answer.body
        assert b'"server":["127.0.0.1",%d]' % running.address[1] in answer.body
        assert "vary" not in answer.headers and "date" in answer.headers
    assert client.request("GET", "/a%20b/c").status == 200
    head = client.request("HEAD", "/a%20b/c")
    assert (head.status, head.body) == (200, b"") and int(head.headers["content-length"]) > 10
    assert client.request("GET", "/nowhere").status == 404
    assert client.request("POST", "/echo", b"x" * 2_100_000).status == 413


def test_answers_in_parts_go_as_fast_as_they_are_taken(
    running: Running, client: Http2Client
) -> None:
    answer = client.request("GET", "/parts")
    assert (answer.status, len(answer.body), answer.reset_code) == (200, 2_000_000, None)
    with Http2Client(running.address, takes=False) as stalled:
        stream = stalled.begin("GET", "/endless", end=True)
        while len(stalled.answers[stream].body) < 65_535:  # all that its window lets through
            assert stalled.receive()
        shared = running.server._http2._shared
        wait_for(lambda: shared.unsent.held_bytes > 0)
        assert shared.unsent.held_bytes < 500_000
        assert client.request("GET", "/a%20b/c").status == 200
    wait_for(lambda: not running.server._http2.tasks)  # they are told that nobody is there


def test_a_bug_is_a_500_and_an_answer_that_breaks_off_is_no_whole_one(client: Http2Client) -> None:
    assert client.request("GET", "/bug").status == 500
    answer = client.request("GET", "/halfway")
    assert answer.status == 200 and answer.reset_code
    assert client.request("GET", "/a%20b/c").status == 200


def test_answers_under_way_go_out_before_the_end(running: Running, client: Http2Client) -> None:
    stream = client.begin("GET", "/slow", end=True)
    wait_for(lambda: bool(running.server._http2.tasks))
    asyncio.run_coroutine_threadsafe(running.server.stop(5), running.loop)
    assert client.wait(stream).body == b'"done"'
    while client.receive():
        pass
    assert client.goodbye == 0


def test_connections_count_with_those_of_http1(
    running: Running, client: Http2Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.request("GET", "/a%20b/c").status == 200
    monkeypatch.setattr("orchestrator.node.admin_server.CONNECTIONS_MAX", 1)
    with socket.create_connection(running.address) as other:
        other.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert other.recv(1_000).startswith(b"HTTP/1.1 503 ")
    assert client.request("GET", "/a%20b/c").status == 200
    monkeypatch.setattr("orchestrator.ingress.shared._IDLE_S", 0)  # it gives way when it is idle
    with socket.create_connection(running.address) as other:
        other.sendall(b"GET /a%20b/c HTTP/1.1\r\nhost: a\r\n\r\n")
        assert other.recv(1_000).startswith(b"HTTP/1.1 200 ")
    while client.receive():
        pass
    assert client.goodbye == 0
