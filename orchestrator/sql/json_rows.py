"""Batches of an answer as JSON: binary as hex, times as ISO text in UTC."""

import json
from collections.abc import Iterator
from typing import Any, Final

import orjson
import pyarrow as pa
from pyarrow import types

LARGE_CHARS: Final = 64 * 1024
"""A longer text is encoded here: orjson reserves eight bytes for each of its characters, and ends
the process where there is no memory for them."""

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_BINARY = (
    types.is_binary,
    types.is_large_binary,
    types.is_fixed_size_binary,
    types.is_binary_view,
)


def json_rows(batch: pa.RecordBatch, nulls: bool = False) -> Iterator[bytes]:
    """Each row as a JSON object, its columns in their order; without nulls unless they count."""
    columns = [_column(batch.column(index)) for index in range(batch.num_columns)]
    names = batch.schema.names
    for row in range(batch.num_rows):
        shown = zip(names, (column[row] for column in columns), strict=True)
        yield orjson.dumps({name: value for name, value in shown if nulls or value is not None})


def _column(array: pa.Array) -> list[Any]:
    """The values of an array as JSON-able ones; by their type, for Python has fewer of them."""
    kind = array.type
    if types.is_timestamp(kind):
        # In UTC without asking for a time zone: not every machine knows them.
        texts = array.cast(pa.int64()).cast(pa.timestamp(kind.unit)).cast(pa.string())
        end = "" if kind.tz is None else "Z"
        return _each(texts, lambda text: text.replace(" ", "T") + end)
    if types.is_time(kind):
        return array.cast(pa.string()).to_pylist()  # type: ignore[no-any-return]
    if types.is_duration(kind):
        return _each(array.cast(pa.int64()), lambda count: _seconds(count, _PER_SECOND[kind.unit]))
    if types.is_interval(kind):
        return _each(array, _interval)
    if types.is_decimal(kind):
        return _each(array, lambda value: orjson.Fragment(str(value)))
    if any(is_kind(kind) for is_kind in _BINARY):
        return _each(array, _hex)
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return _each(array, _text)
    return _nested(array)


def _hex(value: bytes) -> str | orjson.Fragment:
    text = value.hex()
    return text if len(text) <= LARGE_CHARS else orjson.Fragment(f'"{text}"')


def _text(text: str) -> str | orjson.Fragment:
    if len(text) <= LARGE_CHARS:
        return text
    return orjson.Fragment(json.dumps(text, ensure_ascii=False))


def _each(array: pa.Array, show: Any) -> list[Any]:
    return [None if value is None else show(value) for value in array.to_pylist()]


def _nested(array: pa.Array) -> list[Any]:
    kind = array.type
    if types.is_dictionary(kind):
        return _column(array.dictionary_decode())
    if types.is_struct(kind):
        fields = [(kind.field(n).name, _column(part)) for n, part in enumerate(array.flatten())]
        valid = array.is_valid().to_pylist()
        return [
            {name: values[row] for name, values in fields} if valid[row] else None
            for row in range(len(array))
        ]
    if types.is_map(kind):
        return [None if one is None else _mapping(one) for one in _parts(array)]
    if types.is_nested(kind) and not _is_plain(kind.value_type):
        return [None if one is None else _column(one) for one in _parts(array)]
    return array.to_pylist()  # type: ignore[no-any-return]


def _parts(array: pa.Array) -> Iterator[pa.Array | None]:
    return (scalar.values for scalar in array)


def _mapping(pairs: pa.StructArray) -> dict[str, Any]:
    keys, values = (_column(part) for part in pairs.flatten())
    return {str(key): value for key, value in zip(keys, values, strict=True)}


def _is_plain(kind: pa.DataType) -> bool:
    return bool(types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind))


def _seconds(count: int, per_second: int) -> str:
    whole, rest = divmod(abs(count), per_second)
    digits = f"{rest:0{len(str(per_second)) - 1}d}".rstrip("0") if rest else ""
    return f"{'-' if count < 0 else ''}PT{whole}{'.' if digits else ''}{digits}S"


def _interval(value: Any) -> str:
    months, days, nanoseconds = value
    parts = [f"{months} mons"] if months else []
    parts += [f"{days} days"] if days else []
    if nanoseconds or not parts:
        parts.append(f"{nanoseconds / 10**9:.9f}".rstrip("0").rstrip(".") + " secs")
    return " ".join(parts)
