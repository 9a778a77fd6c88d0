"""Headers of requests that were read before.

The parser calls back for each part of a request, and a client sends the same headers with nearly
all of its requests. What bytes mean does not change: a request that comes whole, with a plain
request line and headers that are known byte for byte, is taken without the parser.
"""

import re
from typing import Final

import msgspec

from orchestrator.ingress.headers import RawHeaders

REQUEST_LINE: Final = re.compile(rb"(POST|GET) (/[\w.~%!$&'()*+,;=:@?/-]*) HTTP/1\.1\r\n").match
_HEADS_MAX: Final = 256
_BYTES_MAX: Final = 1024  # of the header lines of one request


class KnownHeaders(msgspec.Struct, frozen=True, gc=False):
    """What some header lines say; nobody changes them."""

    headers: RawHeaders
    body_bytes: int


class KnownHeads:
    """The headers that all connections of a server have read lately, by their bytes."""

    __slots__ = ("_known", "find")

    def __init__(self) -> None:
        self._known: dict[bytes, KnownHeaders] = {}
        self.find = self._known.get

    def keep(self, head: bytes, headers: RawHeaders, body_bytes: int) -> None:
        """Remember the headers of a request that the parser took: `head` is all that came before
        its body, which is not chunked. Its connection is kept alive."""
        line = REQUEST_LINE(head)
        if line is None:
            return
        lines = head[line.end() :]
        if len(lines) > _BYTES_MAX:
            return
        if len(self._known) >= _HEADS_MAX:
            self._known.clear()
        self._known[lines] = KnownHeaders(headers, body_bytes)
