"""Many invocation ids as text at once: what `perdure.wire.ids` does one by one.

A text has 38 characters: `inv_1`, eleven digits of the partition key, 22 of the uuid. Two of them
are a number of 16 bits. They are computed as 19 columns, and then laid row after row.
"""

from functools import cache

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.sql.strides import every, places, woven
from perdure.wire.ids import INVOCATION_ID_BYTES

_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_TEXT_BYTES = 38
_LIMB_BITS = 32
_LIMBS = INVOCATION_ID_BYTES * 8 // _LIMB_BITS
_TWO = 62**2
_FOUR = 62**4  # a remainder and a limb of 32 bits are less than 2**64


def id_texts(ids: bytes) -> pa.Array:
    """`ids` end to end. Large strings."""
    count = len(ids) // INVOCATION_ID_BYTES
    flat = pa.Array.from_buffers(pa.uint32(), count * _LIMBS, [None, pa.py_buffer(ids)])
    lowest_first = [every(flat, _LIMBS, at).cast(pa.uint64()) for at in range(_LIMBS)]
    partition_key, *uuid = _joined(lowest_first[1], lowest_first[0]), *lowest_first[:1:-1]
    columns = [*_prefix(count), *_eleven(partition_key), *_twenty_two(uuid)]
    ends = places(count + 1, _TEXT_BYTES).cast(pa.int64())
    return pa.LargeStringArray.from_buffers(count, ends.buffers()[1], woven(columns).buffers()[1])


def _prefix(count: int) -> list[pa.Array]:
    return [pa.repeat(pa.scalar(_pair(two), pa.uint16()), count) for two in (b"in", b"v_")]


def _eleven(number: pa.Array) -> list[pa.Array]:
    """Digits of a number below 2**64; a 1 goes before the first."""
    number, last = _split(number, _FOUR)
    number, middle = _split(number, _FOUR)
    first, second = _split(number, _TWO)
    return [_after_one().take(first), _pairs().take(second), *_four(middle), *_four(last)]


def _twenty_two(limbs: list[pa.Array]) -> list[pa.Array]:
    """Digits of a number below 2**128, of which the highest limb is given first."""
    digits: list[pa.Array] = []
    for _ in range(3):
        limbs, left = _divided(limbs)
        digits = [*_four(left), *digits]
    number = _joined(limbs[-2], limbs[-1])  # what is left is below 2**57
    for _ in range(2):
        number, left = _split(number, _FOUR)
        digits = [*_four(left), *digits]
    return [_pairs().take(number), *digits]


def _divided(limbs: list[pa.Array]) -> tuple[list[pa.Array], pa.Array]:
    """A number by `_FOUR`, and what is left."""
    divided: list[pa.Array] = []
    left = None
    for limb in limbs:
        whole, left = _split(limb if left is None else _joined(left, limb), _FOUR)
        divided.append(whole)
    return divided, left


def _joined(high: pa.Array, low: pa.Array) -> pa.Array:
    return pc.bit_wise_or(pc.shift_left(high, _number(_LIMB_BITS)), low)


def _split(numbers: pa.Array, by: int) -> tuple[pa.Array, pa.Array]:
    whole = pc.divide(numbers, _number(by))
    return whole, pc.subtract(numbers, pc.multiply(whole, _number(by)))


def _four(number: pa.Array) -> list[pa.Array]:
    high, low = _split(number, _TWO)
    return [_pairs().take(high), _pairs().take(low)]


def _number(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())


def _pair(two: bytes) -> int:
    """Two characters as they lie in memory."""
    return int.from_bytes(two, "little")


@cache
def _pairs() -> pa.Array:
    return pa.array([_pair(bytes((a, b))) for a in _DIGITS for b in _DIGITS], pa.uint16())


@cache
def _after_one() -> pa.Array:
    return pa.array([_pair(bytes((ord("1"), digit))) for digit in _DIGITS], pa.uint16())
