"""Rows as bytes: a version byte and a msgpack array."""

from collections.abc import Callable, Iterable
from typing import TypeVar

import msgspec

from orchestrator.model.rows import Row

ROW_VERSION = 1
_PREFIX = bytes([ROW_VERSION])
_encode = msgspec.msgpack.Encoder().encode
R = TypeVar("R", bound=Row)


class UnknownRowVersion(ValueError):
    """A row of another version of the software."""


def encode_row(row: Row) -> bytes:
    """A row's bytes; equal rows give equal bytes when their dicts were filled alike."""
    return _PREFIX + _encode(row)


def encode_rows(rows: Iterable[Row | None]) -> list[bytes | None]:
    """The bytes of each of many; None for one that is gone."""
    return [None if row is None else _PREFIX + _encode(row) for row in rows]


def row_decoder(kind: type[R]) -> Callable[[bytes], R]:
    """A function that decodes rows of one kind."""
    decode = msgspec.msgpack.Decoder(kind).decode

    def decode_row(value: bytes) -> R:
        if value[:1] != _PREFIX:
            raise UnknownRowVersion(f"row version {value[:1].hex() or 'none'} is not known")
        return decode(memoryview(value)[1:])

    return decode_row
