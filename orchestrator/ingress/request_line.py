"""The request line as it came: llhttp takes more than HTTP/1.1 allows.

It skips surplus spaces, and takes RTSP and ICE for HTTP. A proxy in front may read such a line in
another way, so it is refused. The parser does not say where a line began, so that it is given
pieces in which a request can only begin at the front: a request ends with a body of known length,
or with an empty line.
"""

import re
from typing import Final

BAD_LINE: Final = "bad request line: it is METHOD, path and HTTP/1.1, with one space between"
END_OF_HEAD: Final = b"\r\n\r\n"
_LINE_ENDS: Final = re.compile(rb"[\r\n]+").match  # an empty line may have begun before


def end_of_piece(data: bytes, begin: int) -> int:
    """Where to cut what is no body of known length: behind the next empty line."""
    line_ends = _LINE_ENDS(data, begin)
    if line_ends is not None:
        return line_ends.end()
    found = data.find(END_OF_HEAD, begin)
    return len(data) if found < 0 else found + len(END_OF_HEAD)


def is_well_formed(seen: bytes | bytearray, method: bytes, url: bytes) -> bool:
    """Whether the line of a request, which `seen` begins with, is as the standard has it."""
    return seen.startswith(b"%b %b HTTP/" % (method, url))
