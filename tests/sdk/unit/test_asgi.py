"""The ASGI transport, with an attempt that echoes and a server that is a script."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from perdure.definitions import HandlerDefinition
from perdure.service import Service
from perdure.transports.application import App
from perdure.wire import media_type

GONE = {"type": "http.disconnect"}


class Echo:
    """Sends back what it is fed, ends at `!` or at the end of its input."""

    def __init__(
        self,
        handler: HandlerDefinition,
        version: int,
        send: Callable[[bytes], None],
        ended: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
        headers: Mapping[str, str],
    ) -> None:
        self.said: list[str] = [f"{handler.name} {version}"]
        self._send, self._ended, self._over = send, ended, False

    def feed(self, data: bytes | memoryview) -> None:
        self._send(bytes(data).upper())
        if b"!" in bytes(data):
            self._end()

    def end_input(self) -> None:
        self.said.append("end")
        self._end()

    def lost(self) -> None:
        self.said.append("lost")
        self._over = True

    def _end(self) -> None:
        if not self._over:
            self._over = True
            self._ended()


class Server:
    """Plays one request. `None` in the script waits until the response has begun."""

    def __init__(self, script: list[Any], http_version: str = "2") -> None:
        self.script = script
        self.scope = {
            "type": "http",
            "http_version": http_version,
            "method": "POST",
            "path": "/invoke/S/h",
            "raw_path": b"/invoke/S/h",
            "headers": [(b"content-type", media_type(6).encode())],
        }
        self.sent: list[Any] = []
        self.began = asyncio.Event()
        self.attempts: list[Echo] = []
        service = Service("S")
        service.handler(name="h")(lambda ctx: None)
        self.app = App([service], self._start)

    def _start(self, *args: Any) -> Echo:
        self.attempts.append(Echo(*args))
        return self.attempts[-1]

    async def receive(self) -> Any:
        while self.script and self.script[0] is None:
            self.script.pop(0)
            await self.began.wait()
        if self.script:
            return self.script.pop(0)
        await asyncio.Event().wait()

    async def send(self, message: Any) -> None:
        self.sent.append(message)
        if message["type"] == "http.response.body" and message["body"]:
            self.began.set()

    async def run(self) -> None:
        async with asyncio.timeout(5):
            await self.app(self.scope, self.receive, self.send)

    @property
    def body(self) -> bytes:
        return b"".join(one["body"] for one in self.sent[1:])


def _part(body: bytes, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def _play(script: list[Any], http_version: str = "2") -> Server:
    server = Server(script, http_version)
    await server.run()
    assert all(one.get("more_body") for one in server.sent[1:-1])
    assert not server.sent[-1].get("more_body")
    return server


async def _duplex() -> None:
    server = await _play([_part(b"a"), None, _part(b"b!"), _part(b"", False)])
    assert server.body == b"AB!"
    assert server.sent[0]["status"] == 200
    assert (b"content-type", media_type(6).encode()) in server.sent[0]["headers"]
    assert server.attempts[0].said == ["h 6", "end"]


async def _waits_for_the_end_of_the_request() -> None:
    server = Server([_part(b"a!")])
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await server.run()
    assert server.body == b"A!"  # what there was is sent before
    assert server.sent[-1]["more_body"]


async def _request_response() -> None:
    server = await _play([_part(b"a"), _part(b"b"), _part(b"c", False)], "1.1")
    assert server.body == b"ABC"
    assert len(server.sent) == 2
    assert server.attempts[0].said == ["h 6", "end"]


async def _gone_before_the_end() -> None:
    server = await _play([_part(b"a"), None, GONE])
    assert server.attempts[0].said == ["h 6", "lost"]


async def _gone_while_read() -> None:
    server = Server([_part(b"a"), GONE], "1.1")
    await server.run()
    assert server.sent == []
    assert server.attempts[0].said == ["h 6", "lost"]


async def _cut_off_by_the_server() -> None:
    server = Server([_part(b"a")])
    task = asyncio.create_task(server.run())
    await server.began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.attempts[0].said == ["h 6", "lost"]


async def _refused() -> None:
    server = Server([_part(b"", False)])
    server.scope["raw_path"] = b"/invoke/S/other?x=1"
    await server.run()
    assert server.sent[0]["status"] == 404
    assert b"only: h" in server.body


async def _lifespan() -> None:
    server = Server([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    server.scope = {"type": "lifespan"}
    await server.run()
    assert [one["type"] for one in server.sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize(
    "story",
    [
        _duplex,
        _waits_for_the_end_of_the_request,
        _request_response,
        _gone_before_the_end,
        _gone_while_read,
        _cut_off_by_the_server,
        _refused,
        _lifespan,
    ],
)
def test_a_request(story: Callable[[], Any]) -> None:
    asyncio.run(story())
