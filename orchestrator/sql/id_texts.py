"""Many invocation ids as text at once: what `perdure.wire.ids` does one by one."""

from functools import cache
from itertools import product

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.sql.strides import every
from perdure.wire.ids import INVOCATION_ID_BYTES

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LIMB_BYTES = 4
_LIMBS = INVOCATION_ID_BYTES // _LIMB_BYTES


def _number(value: int) -> pa.Scalar:
    return pa.scalar(value, pa.uint64())


_FIVE = _number(62**5)  # a remainder and a limb of 32 bits are less than 2**64
_TWO = _number(62**2)
_BITS = _number(8 * _LIMB_BYTES)


def id_texts(ids: bytes) -> pa.Array:
    """`ids` end to end. Large strings."""
    count = len(ids) // INVOCATION_ID_BYTES
    flat = pa.Array.from_buffers(pa.uint32(), count * _LIMBS, [None, pa.py_buffer(ids)])
    limbs = [every(flat, _LIMBS, at).cast(pa.uint64()) for at in range(_LIMBS)]
    prefix = pa.scalar("inv_1", pa.large_string())
    # Two numbers, their lowest limbs first: 11 and 22 digits.
    parts = [prefix, *_digits([limbs[1], limbs[0]], 1), *_digits(limbs[:1:-1], 2)]
    return pc.binary_join_element_wise(*parts, pa.scalar("", pa.large_string()))


def _digits(limbs: list[pa.Array], first: int) -> list[pa.Array]:
    """A number, its highest limb first, in base 62: `first` digits, and groups of 3 and 2."""
    parts: list[pa.Array] = []
    for _ in range(len(limbs)):
        left = None
        for at, limb in enumerate(limbs):
            if left is not None:
                limb = pc.bit_wise_or(pc.shift_left(left, _BITS), limb)
            limbs[at] = pc.divide(limb, _FIVE)
            left = pc.subtract(limb, pc.multiply(limbs[at], _FIVE))
        high = pc.divide(left, _TWO)
        low = pc.subtract(left, pc.multiply(high, _TWO))
        parts = [_groups(3).take(high), _groups(2).take(low), *parts]
    return [_groups(first).take(limbs[-1]), *parts]


@cache
def _groups(size: int) -> pa.Array:
    """All groups of so many digits, in order."""
    return pa.array(["".join(some) for some in product(_DIGITS, repeat=size)], pa.large_string())
