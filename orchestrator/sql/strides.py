"""Columns out of numbers that lie row after row."""

from functools import lru_cache

import pyarrow as pa

_COUNT_KEPT = 32_768  # of places; more are made for the one time


def every(numbers: pa.Array, width: int, at: int) -> pa.Array:
    """Of rows of `width` numbers the one at `at`."""
    count = len(numbers) // width
    if count > _COUNT_KEPT:
        places = pa.array(range(0, count * width, width), pa.int32())
    else:
        places = _places(width).slice(0, count)
    return numbers.slice(at).take(places)  # `list_element` of a list array takes ten times as long


@lru_cache(8)
def _places(width: int) -> pa.Array:
    return pa.array(range(0, _COUNT_KEPT * width, width), pa.int32())
