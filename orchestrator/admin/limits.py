"""Limits on request bodies: their kind, their size, their time, and what all of them hold."""

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from orchestrator.admin.errors import refusal

SMALL_BODY_BYTES: Final = 64 * 1024
"""A body up to this size is taken however much others hold: the server limits connections."""

BODY_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of a body on most routes: the longest query has a million characters."""

BODIES_BYTES_MAX: Final = 80 * 1024 * 1024
"""Of all bodies together that are being received or handled: one modification of state."""

JSON: Final = b"application/json"
OCTETS: Final = b"application/octet-stream"
DECODE: Final = "/serdes/decode/"
"""Where a value comes as the bytes that it is."""

BODY_S_MIN: Final = 10.0
BODY_BYTES_PER_S_MIN: Final = 64 * 1024
"""A body may take `BODY_S_MIN`, and longer only as far as it arrives at this rate."""


class BodyGuard:
    """415 for a body that is not JSON, 413 for one over the limit, 408 for one that comes too
    slowly, 503 if those of others leave no room for a large one.

    A web page can send a body of some other types, or of none, without asking; for JSON it has to
    ask. Where a value is to be decoded, which changes nothing, a body is bytes, and may say so.
    """

    def __init__(self, app: ASGIApp, state_bytes_max: int) -> None:
        self._app = app
        self._state_bytes_max = state_bytes_max
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"0")
        has_body = length != b"0" or b"transfer-encoding" in headers
        content_type = headers.get(b"content-type", b"")
        wanted = OCTETS if DECODE in scope["path"] else JSON
        is_unnamed = wanted == OCTETS and not content_type
        if has_body and not is_unnamed and not _is_of(wanted, content_type):
            what = "bytes" if wanted == OCTETS else "JSON"
            message = f"a body must be {what}: content-type: {wanted.decode()}"
            await refusal(415, message)(scope, receive, send)
            return
        body = _Body(self, receive, self._bytes_max(scope["path"]))
        if length.isdigit() and int(length) > body.bytes_max:
            await refusal(413, body.too_large())(scope, receive, send)
            return
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._held_bytes -= body.bytes

    def _bytes_max(self, path: str) -> int:
        """Only a state, whose bytes come as JSON numbers, may be large."""
        largest = self._state_bytes_max
        return largest if path.endswith("/state") else min(largest, BODY_BYTES_MAX)

    def hold(self, bytes_more: int, bytes_before: int) -> None:
        """Count a part of a body; 503 if it is a large one that does not fit."""
        self._held_bytes += bytes_more
        if bytes_before + bytes_more > SMALL_BODY_BYTES and self._held_bytes > BODIES_BYTES_MAX:
            raise HTTPException(503, "other large bodies are being received: try again")


class _Body:
    """The body of one request, counted and timed as it arrives."""

    __slots__ = ("_guard", "_is_whole", "_receive", "_started_s", "bytes", "bytes_max")

    def __init__(self, guard: BodyGuard, receive: Receive, bytes_max: int) -> None:
        self._guard = guard
        self._receive = receive
        self._is_whole = False
        self._started_s = asyncio.get_running_loop().time()
        self.bytes = 0
        self.bytes_max = bytes_max

    def too_large(self) -> str:
        return f"a request body may have {self.bytes_max} bytes"

    async def receive(self) -> Message:
        if self._is_whole:  # what comes now is the end of the connection
            return await self._receive()
        due_s = self._started_s + BODY_S_MIN + self.bytes / BODY_BYTES_PER_S_MIN
        try:
            async with asyncio.timeout_at(due_s):
                message = await self._receive()
        except TimeoutError:
            raise HTTPException(
                408, f"the body came too slowly: send at least {BODY_BYTES_PER_S_MIN} bytes/s"
            ) from None
        part = len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        if self.bytes + part > self.bytes_max:
            raise HTTPException(413, self.too_large())
        self.bytes += part
        self._guard.hold(part, self.bytes - part)
        return message


def _is_of(wanted: bytes, content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == wanted
