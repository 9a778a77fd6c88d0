"""The request line as it came: llhttp takes more than HTTP/1.1 allows.

It skips surplus spaces, and takes RTSP and ICE for HTTP. A proxy in front may read such a line in
another way, so it is refused. The parser does not say where a line began, so that it is given
pieces in which a request can only begin at the front: a request ends with a body of known length,
or with an empty line. At a method that it does not know it stops: such a request is read under
another name, and refused as those of all methods are that nothing here takes.
"""

import re
from typing import Final

import httptools

BAD_LINE: Final = "bad request line: it is METHOD, path and HTTP/1.1, with one space between"
CODED_BODY: Final = "bad request: in HTTP/1.0 a body has a Content-Length, and no Transfer-Encoding"
HTTP_VERSIONS: Final = ("1.1", "1.0")
END_OF_HEAD: Final = b"\r\n\r\n"
END_BYTES: Final = len(END_OF_HEAD)
LINE_ENDS: Final = b"\r\n"
_METHOD: Final = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,32}(?= /)").match
_STAND_IN: Final = b"UNLINK"


def end_of_piece(data: bytes, begin: int, size_bytes: int) -> int:
    """Where to cut what is no body of known length: behind the next empty line."""
    if data[begin] in LINE_ENDS:  # of an empty line that began before, perhaps
        end = begin + 1
        while end < size_bytes and data[end] in LINE_ENDS:
            end += 1
        return end
    found = data.find(END_OF_HEAD, begin)
    return size_bytes if found < 0 else found + END_BYTES


def is_well_formed(seen: bytes | bytearray, method: bytes, url: bytes) -> bool:
    """Whether the line of a request, which `seen` begins with, is as the standard has it."""
    return seen.startswith(b"%b %b HTTP/" % (method, url))


def with_known_method(seen: bytes, error: httptools.HttpParserError) -> tuple[bytes, bytes] | None:
    """The method at the front of `seen`, where the parser found an error, and `seen` with one that
    it knows instead; None if that is not what is wrong."""
    found = _METHOD(seen)
    is_of_method = isinstance(error, httptools.HttpParserInvalidMethodError)
    if found is None or not is_of_method or _is_known(found[0]):
        return None
    return found[0], _STAND_IN + seen[found.end() :]


def _is_known(method: bytes) -> bool:
    try:
        httptools.HttpRequestParser(object()).feed_data(method + b" /")
    except httptools.HttpParserInvalidMethodError:
        return False
    return True
