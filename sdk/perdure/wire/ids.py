"""Ids as people see them: a prefix, the version `1`, and base62 of fixed width.

The bytes of a number are read as *little-endian* before they become digits, whereas an awakeable
id holds the bytes of its invocation as they are. Both are so on every server of this protocol.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from functools import lru_cache
from typing import Final, NamedTuple

from perdure.wire.errors import BadId

INVOCATION_ID_BYTES: Final = 24
INVOCATION_ID_CHARS: Final = 38
_U64_DIGITS: Final = 11
_U128_DIGITS: Final = 22
_AWAKEABLE_CHARS: Final = 38

_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Two digits at a time, 3,844 pairs: three would be twice as fast and cost 14 MB.
_PAIRS: Final = [high + low for high in _ALPHABET for low in _ALPHABET]
_PAIR_VALUES: Final = {pair: value for value, pair in enumerate(_PAIRS)}
_DIGIT_VALUES: Final = {digit: value for value, digit in enumerate(_ALPHABET)}
_BASE2: Final = 62**2
_BASE4: Final = 62**4
_BASE6: Final = 62**6
_BASE11: Final = 62**11


class AwakeableId(NamedTuple):
    """What an awakeable id names; the index of a legacy one is that of an entry."""

    invocation_id: bytes
    signal_index: int
    legacy: bool


def _digits11(value: int) -> str:
    """Write a number below 62**11 as eleven digits."""
    # `//` and a product are faster than `divmod`, and what is below 2**30 is fastest.
    upper = value // _BASE4
    low = value - upper * _BASE4
    high = upper // _BASE4
    middle = upper - high * _BASE4
    pairs, base = _PAIRS, _BASE2
    return (
        f"{pairs[high // base][1]}{pairs[high % base]}{pairs[middle // base]}"
        f"{pairs[middle % base]}{pairs[low // base]}{pairs[low % base]}"
    )


def _encode_u128(raw: bytes) -> str:
    high, low = divmod(int.from_bytes(raw, "little"), _BASE11)
    return _digits11(high) + _digits11(low)


def _value11(digits: str) -> int:
    """Read eleven digits."""
    pairs, base = _PAIR_VALUES, _BASE2
    high = (_DIGIT_VALUES[digits[0]] * base + pairs[digits[1:3]]) * base + pairs[digits[3:5]]
    low = (pairs[digits[5:7]] * base + pairs[digits[7:9]]) * base + pairs[digits[9:11]]
    return high * _BASE6 + low


def _body(text: str, prefix: str, what: str, length: int) -> str:
    """Return what follows the prefix, once it has the right length."""
    if not text.startswith(prefix):
        raise BadId(f"{text[:64]!r} is not {what}: it does not begin with {prefix!r}")
    body = text[len(prefix) :]
    if len(body) != length:
        raise BadId(
            f"{text[:64]!r} is not {what}: it has {len(text)} characters,"
            f" not {length + len(prefix)}"
        )
    return body


def _number(digits: str, size_bytes: int, text: str, what: str) -> bytes:
    try:
        value = _value11(digits[-_U64_DIGITS:])
        if len(digits) == _U128_DIGITS:
            value += _value11(digits[:_U64_DIGITS]) * _BASE11
        return value.to_bytes(size_bytes, "little")
    except KeyError:
        raise BadId(f"{text!r} is not {what}: only digits and letters a-z, A-Z follow") from None
    except OverflowError:
        raise BadId(f"{text!r} is not {what}: a number in it is too large") from None


@lru_cache(maxsize=4096)  # an id is told to the service, the client and the log in a short time
def invocation_id_to_str(raw: bytes) -> str:
    """Write the 24 bytes of an invocation id (partition key, then uuid) as `inv_1…`."""
    if len(raw) != INVOCATION_ID_BYTES:
        raise BadId(f"an invocation id has {INVOCATION_ID_BYTES} bytes, not {len(raw)}")
    partition_key = int.from_bytes(raw[:8], "little")
    high, low = divmod(int.from_bytes(raw[8:], "little"), _BASE11)
    return f"inv_1{_digits11(partition_key)}{_digits11(high)}{_digits11(low)}"


def parse_invocation_id(text: str) -> bytes:
    """Read `inv_1…` into its 24 bytes."""
    what = "an invocation id"
    body = _body(text, "inv_1", what, _U64_DIGITS + _U128_DIGITS)
    return _number(body[:_U64_DIGITS], 8, text, what) + _number(body[_U64_DIGITS:], 16, text, what)


def deployment_id_to_str(raw: bytes) -> str:
    """Write the 16 bytes of a deployment id as `dp_1…`."""
    return _ulid_to_str("dp_1", raw, "a deployment id")


def parse_deployment_id(text: str) -> bytes:
    """Read `dp_1…` into its 16 bytes."""
    what = "a deployment id"
    return _number(_body(text, "dp_1", what, _U128_DIGITS), 16, text, what)


def subscription_id_to_str(raw: bytes) -> str:
    """Write the 16 bytes of a subscription id as `sub_1…`."""
    return _ulid_to_str("sub_1", raw, "a subscription id")


def parse_subscription_id(text: str) -> bytes:
    """Read `sub_1…` into its 16 bytes."""
    what = "a subscription id"
    return _number(_body(text, "sub_1", what, _U128_DIGITS), 16, text, what)


def _ulid_to_str(prefix: str, raw: bytes, what: str) -> str:
    if len(raw) != 16:
        raise BadId(f"{what} has 16 bytes, not {len(raw)}")
    return prefix + _encode_u128(raw)


def awakeable_id_to_str(invocation_id: bytes, signal_index: int) -> str:
    """Write the id of the awakeable that listens to a signal of an invocation, `sign_1…`."""
    if len(invocation_id) != INVOCATION_ID_BYTES:
        raise BadId(f"an invocation id has {INVOCATION_ID_BYTES} bytes, not {len(invocation_id)}")
    return "sign_1" + _to_base64(invocation_id + signal_index.to_bytes(4, "big"))


def parse_awakeable_id(text: str) -> AwakeableId:
    """Read `sign_1…`, or the legacy `prom_1…`; padding is ignored."""
    legacy = text.startswith("prom_1")
    what = "an awakeable id"
    body = _body(text.rstrip("="), "prom_1" if legacy else "sign_1", what, _AWAKEABLE_CHARS)
    try:
        raw = a2b_base64(body.translate(_FROM_URL) + "==", strict_mode=True)
    except (Base64Error, ValueError):
        raw = b""
    # The last digit has bits to spare: only one way of writing an id is right.
    if _to_base64(raw) != body:
        raise BadId(f"{text!r} is not {what}: base64url is expected after the prefix")
    return AwakeableId(raw[:24], int.from_bytes(raw[24:], "big"), legacy)


_FROM_URL: Final = str.maketrans("-_", "+/")
_TO_URL: Final = str.maketrans("+/", "-_")


def _to_base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).rstrip(b"=").decode().translate(_TO_URL)
