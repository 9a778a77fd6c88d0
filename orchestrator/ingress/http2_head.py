"""Heads of HTTP/2 in the form of HTTP/1.1, and answers the other way round."""

from collections.abc import Iterable
from typing import Final

import msgspec

from orchestrator.ingress.budget import HEADER_BYTES
from orchestrator.ingress.headers import AROUND_BYTES, RawHeaders
from orchestrator.ingress.options import IngressOptions

_COOKIE: Final = b"cookie"


class HeadRefused(Exception):
    """A head that no request can have."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class RequestHead(msgspec.Struct, gc=False):
    """`length_bytes` is -1 if the head does not say how long the body is; `taken_bytes` is what
    the head takes in memory."""

    method: bytes
    url: bytes
    headers: RawHeaders
    length_bytes: int
    expects: bool
    taken_bytes: int


def read_head(fields: Iterable[tuple[bytes, bytes]], options: IngressOptions) -> RequestHead:
    """A request's head; raises HeadRefused. nghttp2 has seen to it that it is well formed, with
    each pseudo-header once, before all others."""
    method = url = authority = b""
    headers: RawHeaders = []
    cookies: list[bytes] = []
    length_bytes, expects, size_bytes = -1, False, 0
    for name, value in fields:
        size_bytes += len(name) + len(value) + AROUND_BYTES
        if name == b":path":
            url = value
        elif name == b":method":
            method = value
        elif name == b":authority":
            authority = value
            headers.append((b"host", value))
        elif name == b"host":
            if not authority:
                headers.append((b"host", value))
            elif value != authority:
                raise HeadRefused(400, "bad request: host and :authority are not the same")
        elif name == _COOKIE:
            cookies.append(value)  # may come in parts
        elif not name.startswith(b":"):
            if name == b"content-length":
                length_bytes = int(value)
            elif name == b"expect":
                expects = value.lower() == b"100-continue"
            headers.append((name, value))
    if cookies:
        headers.append((_COOKIE, b"; ".join(cookies)))
    if size_bytes > options.head_bytes_max:
        message = f"the headers of a request may have at most {options.head_bytes_max} bytes"
        raise HeadRefused(431, message)
    if len(headers) > options.header_count_max:
        raise HeadRefused(431, f"a request may have {options.header_count_max} headers")
    taken_bytes = size_bytes + HEADER_BYTES * len(headers)
    return RequestHead(method, url, headers, length_bytes, expects, taken_bytes)


def pairs_of(lines: bytes) -> list[tuple[bytes, bytes]]:
    """Header lines of HTTP/1.1 as HTTP/2 has them."""
    found = []
    for line in lines.split(b"\r\n"):
        if line:
            name, _, value = line.partition(b":")
            found.append((name, value.strip()))
    return found
