"""zstd for the bodies of AWS Lambda, whose events are at most 6 MB: by Python 3.14, or by the
library `backports.zstd`. Shared by server and SDK; may be used in threads."""

import importlib
from functools import cache
from typing import Any, Final

NAME: Final = "zstd"
BODY_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of a body before it is compressed, or after."""


class BadBody(ValueError):
    """What came is no zstd, or too much of it."""


@cache
def _library() -> Any:
    try:
        return importlib.import_module("compression.zstd")  # unknown to older type checkers
    except ImportError:
        pass
    try:
        from backports import zstd
    except ImportError:
        return None
    return zstd


def is_available() -> bool:
    """Say whether there is a library for it; it is loaded when it is first needed."""
    return _library() is not None


def compress(data: bytes) -> bytes:
    """Return the bytes as zstd."""
    made: bytes = _library().compress(data)
    return made


def decompress(data: bytes, package: str) -> bytes:
    """Return what was compressed; raises BadBody. `package` is what pip installs a library by."""
    library = _library()
    if library is None:
        raise BadBody(f"compressed by zstd, which is not installed: pip install '{package}'")
    decoder = library.ZstdDecompressor()
    try:
        found: bytes = decoder.decompress(data, BODY_BYTES_MAX + 1)
    except library.ZstdError as error:
        raise BadBody(f"no zstd: {error}") from error
    if len(found) > BODY_BYTES_MAX:
        raise BadBody(f"larger than {BODY_BYTES_MAX} bytes")
    if not decoder.eof:
        raise BadBody("no zstd: it ends too early")
    return found
