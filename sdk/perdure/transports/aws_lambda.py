"""AWS Lambda: one event is one request, read whole and answered whole.

The engine calls the function by Lambda's Invoke API; the event has the form of an API gateway's.
"""

import asyncio
import base64
from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from perdure.endpoint import SDK_NAME, Accepted, Answer, Endpoint, refusal
from perdure.transports.outgoing import Outgoing
from perdure.transports.port import StartAttempt
from perdure.wire import zstd

Event: TypeAlias = Mapping[str, Any]

COMPRESSED_FROM_BYTES: Final = 3 * 1024 * 1024
"""Replies below it fit as they are."""


class LambdaHandler:
    """What Lambda calls with an event and its context. Its event loop is kept as long as Lambda
    keeps the process: connections of the app may live on it."""

    def __init__(self, endpoint: Endpoint, start: StartAttempt) -> None:
        self._endpoint = endpoint
        self._start = start
        self._loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, event: Event, context: Any = None) -> dict[str, Any]:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(_answer(self._endpoint, self._start, event))

    def close(self) -> None:
        """Close its event loop."""
        if self._loop is not None:
            self._loop.close()
            self._loop = None


async def _answer(endpoint: Endpoint, start: StartAttempt, event: Event) -> dict[str, Any]:
    try:
        method, path = str(event["httpMethod"]), str(event["path"])
        headers = {str(key).lower(): str(value) for key, value in event["headers"].items()}
        body = event.get("body") or ""
        data = base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
        if headers.get("content-encoding") == zstd.NAME:
            data = zstd.decompress(data, "perdure[lambda]")
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        return _reply(refusal(400, f"this is no event of an engine: {error!r}"))
    offered = zstd.NAME if zstd.is_available() else None
    found = endpoint.answer(method, path, headers, "REQUEST_RESPONSE", offered)
    if isinstance(found, Answer):
        return _reply(found)
    takes_zstd = offered is not None and offered in headers.get("accept-encoding", "")
    return _reply(await _run(start, found, headers, data), takes_zstd)


async def _run(
    start: StartAttempt, accepted: Accepted, headers: Mapping[str, str], data: bytes
) -> Answer:
    loop = asyncio.get_running_loop()
    out = Outgoing(loop)
    attempt = start(accepted.handler, accepted.version, out.send, out.end, loop, headers)
    try:
        attempt.feed(data)
        attempt.end_input()
        parts = []
        while not out.over:
            parts.append(await out.take())
    finally:
        if not out.over:
            attempt.lost()
    return Answer(200, accepted.content_type, b"".join([*parts, *out.chunks]))


def _reply(answer: Answer, takes_zstd: bool = False) -> dict[str, Any]:
    headers = {"content-type": answer.content_type, "x-restate-server": SDK_NAME}
    body = answer.body
    if takes_zstd and len(body) >= COMPRESSED_FROM_BYTES:
        body = zstd.compress(body)
        headers["content-encoding"] = zstd.NAME
    return {
        "statusCode": answer.status,
        "headers": headers,
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }
