"""Calls stay quick while operators ask for much: both are served by one event loop.

What is measured is the work of that loop's thread while a call is under way, from its first byte to
its answer. A machine that is busy with other things makes the call take longer, but not that.
"""

import asyncio
import gc
import http.client
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import perdure

WORK_S_MAX = 0.05  # beyond what a call takes by itself
ANY_PORT = {"ingress": "127.0.0.1:0", "admin": "127.0.0.1:0", "partitions": "1"}
STATE = "/services/Counter/state"
VALUES = 2 << 20
KEYS = 200_000

counter = perdure.Object("Counter")


@counter.handler
async def add(ctx: perdure.ObjectContext, number: int) -> int:
    return number


class Caller:
    """Calls a handler again and again, on the loop of the server."""

    def __init__(self, ingress: str) -> None:
        self.count = 0
        self.longest_s = 0.0
        self._ingress = ingress

    async def run(self) -> None:
        host, port = self._ingress.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        request = (
            b"POST /Counter/k/add HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n"
            b"content-length: 1\r\n\r\n1"
        )
        try:
            while True:
                began_s = time.thread_time()
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200") and await reader.readexactly(1) == b"1"
                self.longest_s = max(self.longest_s, time.thread_time() - began_s)
                self.count += 1
        finally:
            writer.close()


@pytest.fixture
def rare_collector() -> Iterator[None]:
    """As a server has it; here it would look through all that a run of tests has left."""
    gc.disable()
    yield
    gc.enable()


def numbers() -> bytes:
    return b'{"object_key": "a", "new_state": {"v": [%s7]}}' % (b"7," * (VALUES - 1))


def keys() -> bytes:
    """Each makes an object of Python, a check and a place in an order."""
    return b'{"object_key": "a", "new_state": {%s"v":[]}}' % b"".join(
        b'"%d":[],' % number for number in range(KEYS)
    )


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", STATE, numbers(), 202),
        ("POST", STATE, keys(), 413),
        ("POST", STATE, b'{"object_key": "a", "new_state": {"v": "%s"}}' % (b"7" * VALUES), 202),
        ("POST", "/deployments", b'{"uri": "http://a", "x": "%s"}' % (b"7" * (2 << 20)), 413),
        ("GET", "/openapi", b"", 200),
        ("GET", "/metrics", b"", 200),
    ],
    ids=["a state of numbers", "many keys", "a state of text", "too much", "openapi", "metrics"],
)
def test_calls_do_not_wait_for_operators(
    tmp_path: Path, rare_collector: None, method: str, path: str, body: bytes, status: int
) -> None:
    def ask(admin: str) -> int:
        connection = http.client.HTTPConnection(admin.removeprefix("http://"), timeout=60)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    async def main() -> None:
        async with perdure.app(counter).embedded(tmp_path, settings=ANY_PORT) as engine:
            caller = Caller(engine.ingress_url)
            calling = asyncio.ensure_future(caller.run())
            while caller.count < 20:
                await asyncio.sleep(0.001)
            caller.count, caller.longest_s = 0, 0.0
            assert await asyncio.to_thread(ask, engine.admin_url) == status
            before = caller.count
            while caller.count < before + 2 and not calling.done():
                await asyncio.sleep(0)
            calling.cancel()
            await asyncio.wait([calling])
            assert calling.cancelled(), calling.exception()
            assert caller.longest_s < WORK_S_MAX

    asyncio.run(main())
