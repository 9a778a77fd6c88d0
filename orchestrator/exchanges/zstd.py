"""zstd for the bodies of functions of AWS Lambda, whose events are at most 6 MB: with Python 3.14
or the extra `lambda`. Used in threads."""

import importlib
from functools import cache
from typing import Any, Final

NAME: Final = b"zstd"
COMPRESSED_FROM_BYTES: Final = 1024 * 1024
"""Requests below it fit as they are."""
BODY_BYTES_MAX: Final = 256 * 1024 * 1024
"""Of a body before it is compressed, or after: what the SDKs take, too."""


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


class BadBody(ValueError):
    """What came is no zstd, or too much of it."""


def is_available() -> bool:
    """Say whether there is a library for it; it is loaded when it is first needed."""
    return _library() is not None


def compress(data: bytes) -> bytes:
    """Return the bytes as zstd."""
    made: bytes = _library().compress(data)
    return made


def decompress(data: bytes) -> bytes:
    """Return what was compressed; raises BadBody."""
    library = _library()
    if library is None:
        raise BadBody("it is zstd, for which pip install 'perdure-server[lambda]' is needed")
    decoder = library.ZstdDecompressor()
    try:
        found: bytes = decoder.decompress(data, BODY_BYTES_MAX + 1)
    except library.ZstdError as error:
        raise BadBody(f"it is no zstd: {error}") from error
    if len(found) > BODY_BYTES_MAX:
        raise BadBody(f"it is larger than {BODY_BYTES_MAX} bytes")
    if not decoder.eof:
        raise BadBody("its zstd ends too early")
    return found
