"""The request line as it came: llhttp takes more than HTTP/1.1 allows.

It skips surplus spaces, and takes RTSP and ICE for HTTP. A proxy in front may read such a line in
another way, so it is refused.
"""

from typing import Final

BAD_LINE: Final = "bad request line: it is METHOD, path and HTTP/1.1, with one space between"


def is_well_formed(seen: bytes, method: bytes, url: bytes) -> bool:
    """Whether the line of this request is as the standard has it. `seen` is what was read since
    the request before was complete, and may begin with the end of that one."""
    begin = len(method) + 1
    if seen.startswith(url, begin) and seen.startswith(b" HTTP/", begin + len(url)):
        return True  # an odd separator before it was no method to the parser
    return b"%b %b HTTP/" % (method, url) in seen
