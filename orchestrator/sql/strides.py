"""Columns out of numbers that lie row after row, and back."""

from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

_COUNT_KEPT = 32_768  # of places; more are made for the one time


def every(numbers: pa.Array, width: int, at: int) -> pa.Array:
    """Of rows of `width` numbers the one at `at`."""
    # `list_element` of a list array takes ten times as long.
    return numbers.slice(at).take(places(len(numbers) // width, width))


def woven(columns: list[pa.Array]) -> pa.Array:
    """Rows of the numbers of columns, which have the same type and length."""
    width, count = len(columns), len(columns[0])
    row, column = _rows_and_columns(width, count)
    at = pc.add(row, pc.multiply(column, pa.scalar(count, pa.int32())))
    return pa.concat_arrays(columns).take(at)


def places(count: int, width: int = 1) -> pa.Array:
    """0, `width`, 2 `width` … of `count` rows."""
    if count > _COUNT_KEPT:
        return pa.array(range(0, count * width, width), pa.int32())
    return _kept(width).slice(0, count)


@lru_cache(8)
def _kept(width: int) -> pa.Array:
    """Making one of Python's numbers takes a millisecond."""
    return pa.array(range(0, _COUNT_KEPT * width, width), pa.int32())


def _rows_and_columns(width: int, count: int) -> tuple[pa.Array, pa.Array]:
    if count > _COUNT_KEPT:
        return _split(width, count)
    rows, columns = _kept_rows_and_columns(width)
    return rows.slice(0, width * count), columns.slice(0, width * count)


@lru_cache(1)
def _kept_rows_and_columns(width: int) -> tuple[pa.Array, pa.Array]:
    return _split(width, _COUNT_KEPT)


def _split(width: int, count: int) -> tuple[pa.Array, pa.Array]:
    """Row and column of each number of `count` rows."""
    at = pa.array(range(width * count), pa.int32())
    by = pa.scalar(width, pa.int32())
    rows = pc.divide(at, by)
    return rows, pc.subtract(at, pc.multiply(rows, by))
