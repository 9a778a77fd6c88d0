"""Names that come twice in one object of JSON: decoders keep the last value, and say nothing."""

import json
import re
from typing import Final

_TOKEN: Final = re.compile(rb'"((?:[^"\\]++|\\.)*+)"([ \t\r\n]*+:)?|[{}]', re.DOTALL)
_NAME: Final = 2  # the last group of a token that is one
_SHOWN_NAME_CHARS: Final = 100
_BYTES_MAX: Final = 16 * 1024


def name_given_twice(text: bytes, bytes_max: int = _BYTES_MAX) -> str | None:
    """The first such name in a text that is known to be JSON.

    A name or a bracket takes 2 to 3 us, and who asks is nearly always on the event loop that serves
    calls: a text of more than `bytes_max` is not looked at, so that it takes 25 ms at most.
    """
    if len(text) > bytes_max:
        return None
    objects: list[set[bytes]] = []
    for token in _TOKEN.finditer(text):
        if token.lastindex == _NAME:
            name = _as_read(token[1])
            if name in objects[-1]:
                return name.decode("utf-8", "replace")[:_SHOWN_NAME_CHARS]
            objects[-1].add(name)
        elif token[0] == b"{":
            objects.append(set())
        elif token[0] == b"}":
            objects.pop()
    return None


def _as_read(name: bytes) -> bytes:
    """Without its escapes: "\\u0061" is "a"."""
    if b"\\" not in name:
        return name
    found: str = json.loads(b'"%b"' % name)
    return found.encode("utf-8", "surrogatepass")
