"""zstd for the bodies of AWS Lambda, whose events are at most 6 MB: with Python 3.14 or the extra
`zstd`; without either no compression is offered."""

import importlib
from typing import Any, Final

ZSTD: Final = "zstd"
DECODED_BYTES_MAX: Final = 256 * 1024 * 1024  # a request that is larger is refused
COMPRESSED_FROM_BYTES: Final = 3 * 1024 * 1024  # replies below it fit as they are


class BadBody(ValueError):
    """Bytes that are not what their encoding says, or too many."""


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


_zstd: Final = _library()


def has_zstd() -> bool:
    """Say whether bodies can be compressed."""
    return _zstd is not None


def compress(data: bytes) -> bytes:
    """Return the bytes as zstd."""
    made: bytes = _zstd.compress(data)
    return made


def decompress(data: bytes) -> bytes:
    """Return what was compressed; raises BadBody."""
    if _zstd is None:
        raise BadBody("compressed by zstd, which is not installed: pip install 'perdure[zstd]'")
    decoder = _zstd.ZstdDecompressor()
    try:
        found: bytes = decoder.decompress(data, DECODED_BYTES_MAX + 1)
    except _zstd.ZstdError as error:
        raise BadBody(f"no zstd: {error}") from error
    if len(found) > DECODED_BYTES_MAX:
        raise BadBody(f"larger than {DECODED_BYTES_MAX} bytes")
    if not decoder.eof:
        raise BadBody("no zstd: it ends too early")
    return found
