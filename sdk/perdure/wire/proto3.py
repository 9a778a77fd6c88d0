"""Proto3 by hand: a reader that walks the fields of a message, writers for one field each.

A field is told by its tag, `number << 3 | wire type` (0 varint, 2 bytes), so that a known number
with another wire type falls through to `skip`, which refuses it. A scalar or message that comes
twice: the last one counts. Groups do not exist in proto3 and are refused.
"""

from collections.abc import Iterable, Iterator
from typing import Final

from perdure.wire.errors import WireError

U32_MAX: Final = 0xFFFF_FFFF
_U64_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF


def read_varint(data: bytes, pos: int) -> tuple[int, int]:
    """Read the varint at `pos`; return it and the position after it. IndexError at the end."""
    byte = data[pos]
    if byte >= 0x80 and data[pos + 1] < 0x80:
        return byte & 0x7F | data[pos + 1] << 7, pos + 2
    value = byte & 0x7F
    shift = 7
    while byte >= 0x80:
        pos += 1
        byte = data[pos]
        value |= (byte & 0x7F) << shift
        shift += 7
        if shift >= 70 and (byte >= 0x80 or value > _U64_MAX):
            raise WireError("varint of more than 64 bits")
    return value, pos + 1


def scan(data: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Walk the fields between `pos` and `end`.

    Yields (tag, start, stop) of the bytes of a length-delimited field, (tag, value, position
    after it) of a varint, and unread bounds of the fixed-width fields, which no message uses.
    """
    try:
        while pos < end:
            tag = data[pos]
            pos += 1
            if tag >= 0x80:
                tag, pos = read_varint(data, pos - 1)
            wire_type = tag & 7
            value = data[pos]
            if wire_type == 2:
                pos += 1
                if value >= 0x80:
                    value, pos = read_varint(data, pos - 1)
                start = pos
                pos += value
                if pos > end:
                    raise WireError(f"field {tag >> 3} of {value} bytes ends beyond its message")
                value = start
            elif wire_type == 0:
                pos += 1
                if value >= 0x80:
                    value, pos = read_varint(data, pos - 1)
            elif wire_type == 1 or wire_type == 5:
                value = pos
                pos += 8 if wire_type == 1 else 4
            else:
                raise WireError(f"field {tag >> 3} has wire type {wire_type}")
            if tag < 8 or tag > U32_MAX:
                raise WireError(f"there is no field {tag >> 3}")
            if pos > end:
                raise WireError("truncated message")
            yield tag, value, pos
    except IndexError:
        raise WireError("truncated message") from None


def skip(tag: int, known: Iterable[int]) -> None:
    """Pass over a field that is not in the message; refuse a known one of another wire type."""
    if tag >> 3 in known:
        raise WireError(f"field {tag >> 3} has wire type {tag & 7}")


def fills(data: bytes, pos: int, end: int) -> int:
    """Return where bytes begin whose length is at `pos`, if they reach exactly to `end`; else -1.

    This is how the usual forms of the frequent messages are told, without a walk; lengths of more
    than two bytes are left to the walk.
    """
    size = data[pos]
    first = pos + 1
    if size >= 0x80:
        if first == end or data[first] >= 0x80:
            return -1
        size = size & 0x7F | data[first] << 7
        first += 1
    return first if first + size == end else -1


def read_text(data: bytes, start: int, stop: int) -> str:
    """Read a string field."""
    try:
        return data[start:stop].decode()
    except UnicodeDecodeError:
        raise WireError("a string is not UTF-8") from None


def read_packed(data: bytes, pos: int, end: int) -> list[int]:
    """Read a packed list of u32."""
    values: list[int] = []
    try:
        while pos < end:
            value = data[pos]
            pos += 1
            if value >= 0x80:
                value, pos = read_varint(data, pos - 1)
                value &= U32_MAX
            values.append(value)
    except IndexError:
        raise WireError("truncated list") from None
    if pos > end:
        raise WireError("truncated list")
    return values


def _long_varint(value: int) -> bytes:
    if not 0 <= value <= _U64_MAX:
        raise WireError(f"{value} is not an unsigned integer of 64 bits")
    if value >> 56:  # a random number: eight groups of seven bits at once, in three steps
        low = value & 0xFF_FFFF_FFFF_FFFF
        low = low & 0xFFF_FFFF | (low & 0xFF_FFFF_F000_0000) << 4
        low = low & 0x3FFF_0000_3FFF | (low & 0xFFF_C000_0FFF_C000) << 2
        low = low & 0x7F_007F_007F_007F | (low & 0x3F80_3F80_3F80_3F80) << 1
        return (low | 0x8080_8080_8080_8080).to_bytes(8, "little") + _SHORT[value >> 56]
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_SHORT_MAX: Final = 4096
_SHORT: Final = [_long_varint(value) for value in range(_SHORT_MAX)]
# Tags as bytes, by field number; the highest in the protocol is 17.
_VARINT_TAG: Final = [_long_varint(number << 3) for number in range(20)]
_BYTES_TAG: Final = [_long_varint(number << 3 | 2) for number in range(20)]


def varint(value: int) -> bytes:
    """Write a varint."""
    if 0 <= value < _SHORT_MAX:
        return _SHORT[value]
    return _long_varint(value)


# The writers look lengths up by themselves: a call less is a third of their time.


def put_uint(number: int, value: int) -> bytes:
    """Write an integer or bool field; nothing if it is zero."""
    return _VARINT_TAG[number] + varint(value) if value else b""


def set_uint(number: int, value: int | None) -> bytes:
    """Write an integer field with presence; nothing if it is None."""
    return b"" if value is None else _VARINT_TAG[number] + varint(value)


def put_bytes(number: int, value: bytes) -> bytes:
    """Write a bytes field; nothing if it is empty."""
    if not value:
        return b""
    size = len(value)
    length = _SHORT[size] if size < _SHORT_MAX else _long_varint(size)
    return _BYTES_TAG[number] + length + value


def set_bytes(number: int, value: bytes | None) -> bytes:
    """Write a bytes field or a sub-message with presence; nothing if it is None."""
    if value is None:
        return b""
    size = len(value)
    length = _SHORT[size] if size < _SHORT_MAX else _long_varint(size)
    return _BYTES_TAG[number] + length + value


def put_text(number: int, value: str) -> bytes:
    """Write a string field; nothing if it is empty."""
    if not value:
        return b""
    try:
        encoded = value.encode()
    except UnicodeEncodeError:
        raise WireError("a string holds half a surrogate pair") from None
    except AttributeError:
        raise WireError(f"{value!r:.100} is no text") from None
    size = len(encoded)
    length = _SHORT[size] if size < _SHORT_MAX else _long_varint(size)
    return _BYTES_TAG[number] + length + encoded


def set_text(number: int, value: str | None) -> bytes:
    """Write a string field with presence; nothing if it is None."""
    if value is None:
        return b""
    return put_text(number, value) or _BYTES_TAG[number] + b"\x00"


def put_packed(number: int, values: Iterable[int]) -> bytes:
    """Write a list of u32 as one packed field; nothing if it is empty."""
    return put_bytes(number, b"".join(map(varint, values)))
