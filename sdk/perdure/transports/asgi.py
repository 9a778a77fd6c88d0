"""ASGI: an app under any server; bidirectional where the server speaks HTTP/2.

Over HTTP/1.1 the request's body is read whole before the handler is asked for more than it has.
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any, Final, TypeAlias

from perdure.discovery import ProtocolMode
from perdure.endpoint import SDK_NAME, Accepted, Answer, Endpoint
from perdure.transports.outgoing import Outgoing
from perdure.transports.port import RunningAttempt, StartAttempt

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

_SERVER: Final = (b"x-restate-server", SDK_NAME.encode())


async def serve(
    endpoint: Endpoint,
    start: StartAttempt,
    mode: ProtocolMode | None,
    scope: Message,
    receive: Receive,
    send: Send,
) -> None:
    """Serve one scope of ASGI."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    if scope["type"] != "http":
        raise NotImplementedError(f"an app serves HTTP, not {scope['type']}")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    duplex = not str(scope.get("http_version", "1.1")).startswith("1")
    mode = mode or ("BIDI_STREAM" if duplex else "REQUEST_RESPONSE")
    raw_path = scope.get("raw_path")
    path = raw_path.decode("latin-1").partition("?")[0] if raw_path else scope["path"]
    found = endpoint.answer(scope["method"], path, headers, mode)
    if isinstance(found, Answer):
        await _answer(found, receive, send)
        return
    await _run(start, found, headers, duplex, receive, send)


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def _answer(answer: Answer, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", answer.content_type.encode()), _SERVER]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _run(
    start: StartAttempt,
    accepted: Accepted,
    headers: dict[str, str],
    duplex: bool,
    receive: Receive,
    send: Send,
) -> None:
    loop = asyncio.get_running_loop()
    out = Outgoing(loop)
    attempt = start(accepted.handler, accepted.version, out.send, out.end, loop, headers)
    content_type = (b"content-type", accepted.content_type.encode())
    reader: asyncio.Task[None] | None = None
    try:
        more = await _read_first(attempt, duplex, receive)
        if more is None:
            return
        await send(
            {"type": "http.response.start", "status": 200, "headers": [content_type, _SERVER]}
        )
        await asyncio.sleep(0)  # most attempts are over by now
        if more or not out.over:
            # It also notices that the peer has gone.
            reader = loop.create_task(_read_on(attempt, out, more, receive))
        while not out.over:
            if data := await out.take():
                await send({"type": "http.response.body", "body": data, "more_body": True})
        rest = b"".join(out.chunks)
        if more and reader is not None and not reader.done():
            # Some servers reset a stream whose request is not over when its response is.
            if rest:
                await send({"type": "http.response.body", "body": rest, "more_body": True})
                rest = b""
            await reader
        await send({"type": "http.response.body", "body": rest})
    finally:
        if not out.over:
            attempt.lost()
        if reader is not None and not reader.done():
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader


async def _read_first(attempt: RunningAttempt, duplex: bool, receive: Receive) -> bool | None:
    """Read the first part of the body, or all of it; return whether there is more, and None if
    the peer has gone."""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        if body := message.get("body"):
            attempt.feed(body)
        if not message.get("more_body"):
            attempt.end_input()
            return False
        if duplex:
            return True


async def _read_on(attempt: RunningAttempt, out: Outgoing, more: bool, receive: Receive) -> None:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            if not out.over:
                attempt.lost()
                out.end()
            return
        if body := message.get("body"):
            attempt.feed(body)
        if more and not message.get("more_body"):
            attempt.end_input()
            return
