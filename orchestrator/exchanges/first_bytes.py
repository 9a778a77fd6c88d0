"""What a service says first: whether it speaks HTTP/2 at all."""

from typing import Final

_OF_HTTP1: Final = b"HTTP/1."
_TYPE_AT: Final = 3  # of a frame: its kind
_SETTINGS_TYPE: Final = 4  # the frame that a server has to begin with

ANSWERED_HTTP1: Final = (
    "the endpoint answered in HTTP/1.1: register it with use_http_11 (--use-http1.1)"
)
NOT_HTTP2: Final = (
    "what the endpoint answered is not HTTP/2: if it speaks HTTP/1.1, register it with use_http_11"
    " (--use-http1.1)"
)


def why_not_http2(data: bytes | memoryview, is_first: bool) -> str:
    """Why this peer cannot be used over HTTP/2; "" if it can."""
    if bytes(data[: len(_OF_HTTP1)]) == _OF_HTTP1:
        return ANSWERED_HTTP1
    if is_first and len(data) > _TYPE_AT and data[_TYPE_AT] != _SETTINGS_TYPE:
        return NOT_HTTP2
    return ""
