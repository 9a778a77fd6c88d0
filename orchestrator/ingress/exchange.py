"""One request and its way back, free of any transport."""

from collections.abc import Callable
from typing import ClassVar

import msgspec

ReadAgain = Callable[[Callable[[bytes | None], None]], None]
"""Reads a body once more, and gives it later; None if it is gone."""


class HttpReply(msgspec.Struct, frozen=True, gc=False):
    """An answer; `headers` are whole header lines without the length of the body.

    `again` reads the body anew: with it the body can be dropped while a client reads slowly.
    """

    status: int
    headers: bytes
    body: bytes
    again: ReadAgain | None = None


class PendingRequest:
    """A complete request; `respond` counts once, later calls are ignored.

    `forget` is set while an answer is awaited: to be called when the client goes away.
    `pending_id` is then the id of the invocation that goes on without the client, if any, and
    `repeatable` whether the same request, sent again, means that invocation. `service`: whose
    answer is waited for, "" while that is not known or need not be.
    """

    __slots__ = (
        "_respond",
        "body",
        "cors",
        "forget",
        "headers",
        "method",
        "pending_id",
        "repeatable",
        "service",
        "url",
    )

    wants_id: ClassVar[bool] = True
    """Whether a result is to name its invocation."""

    def __init__(
        self,
        method: bytes,
        url: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        respond: Callable[["PendingRequest", HttpReply], None],
    ) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.cors = b""  # header lines of the answer, for the page that asks
        self._respond: Callable[[PendingRequest, HttpReply], None] | None = respond
        self.forget: Callable[[], None] | None = None
        self.pending_id = b""
        self.repeatable = False
        self.service = ""

    def respond(self, reply: HttpReply) -> None:
        """Answer the request."""
        respond = self._respond
        if respond is not None:
            self._respond = None
            self.forget = None
            respond(self, reply)

    def release(self) -> None:
        """Free the request: the answer may take long."""
        self.url = b""
        self.headers = []
        self.body = b""

    def abandon(self) -> None:
        """The client went away; its invocation goes on."""
        self._respond = None
        forget, self.forget = self.forget, None
        if forget is not None:
            forget()
