"""Functions over texts that hold JSON: `json_get_str(text, key, …)` and the others.

DataFusion takes functions of a fixed number of arguments from Python, so that each of these is
registered once for each number of keys, as `json_get_str_1`; `json_operators` writes the names.
What is no JSON, or lacks what is looked for, gives NULL.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import orjson
import pyarrow as pa

KEYS_MAX: Final = 8
"""Deep enough for the JSON of our tables, with room."""

NUMBERED: Final = re.compile(r"\b(json_[a-z_]+)_\d(?=[('])")
"""The name under which one is registered, in a call or in quotes."""

_MISSING = object()
_INT = re.compile(r"[+-]?\d{1,20}\Z", re.ASCII)
_FLOAT = re.compile(r"[+-]?(?:\d{1,400}\.?\d{0,400}|\.\d{1,400})(?:[eE][+-]?\d{1,4})?\Z", re.ASCII)


class JsonFunction(NamedTuple):
    """What is made of the value that was found."""

    show: Callable[[Any], Any]
    returns: pa.DataType
    if_missing: Any = None


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _int(value: Any) -> int | None:
    if isinstance(value, str) and _INT.match(value):
        value = int(value)
    is_int = isinstance(value, int) and not isinstance(value, bool)
    return value if is_int and -(1 << 63) <= value < 1 << 63 else None


def _float(value: Any) -> float | None:
    if isinstance(value, str) and _FLOAT.match(value):
        value = float(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _bool(value: Any) -> bool | None:
    if isinstance(value, str):
        value = {"true": True, "false": False}.get(value)
    return value if isinstance(value, bool) else None


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return _json(value)


def _array(value: Any) -> list[str] | None:
    return [_json(item) for item in value] if isinstance(value, list) else None


def _keys(value: Any) -> list[str] | None:
    return list(value) if isinstance(value, dict) else None


def _length(value: Any) -> int | None:
    return len(value) if isinstance(value, list | dict) else None


_TEXTS: Final = pa.list_(pa.string())
JSON_FUNCTIONS: dict[str, JsonFunction] = {
    "json_get": JsonFunction(_json, pa.string()),
    "json_get_json": JsonFunction(_json, pa.string()),
    "json_get_str": JsonFunction(_text, pa.string()),
    "json_get_int": JsonFunction(_int, pa.int64()),
    "json_get_float": JsonFunction(_float, pa.float64()),
    "json_get_bool": JsonFunction(_bool, pa.bool_()),
    "json_get_array": JsonFunction(_array, _TEXTS),
    "json_object_keys": JsonFunction(_keys, _TEXTS),
    "json_keys": JsonFunction(_keys, _TEXTS),
    "json_as_text": JsonFunction(_as_text, pa.string()),
    "json_length": JsonFunction(_length, pa.uint64()),
    "json_len": JsonFunction(_length, pa.uint64()),
    "json_contains": JsonFunction(lambda value: True, pa.bool_(), False),
}


def applied(function: JsonFunction) -> Callable[..., pa.Array]:
    """The function over columns: of JSON, and of each key."""

    def apply(texts: pa.Array, *keys: pa.Array) -> pa.Array:
        rows = zip(texts.to_pylist(), _paths(keys, len(texts)), strict=True)
        return pa.array([_shown(function, text, path) for text, path in rows], function.returns)

    return apply


def _paths(keys: tuple[pa.Array, ...], count: int) -> Iterator[tuple[str | None, ...]]:
    return zip(*(key.to_pylist() for key in keys), strict=True) if keys else iter([()] * count)


def _shown(function: JsonFunction, text: str | None, path: tuple[str | None, ...]) -> Any:
    found = _MISSING if text is None else _found(text, path)
    return function.if_missing if found is _MISSING else function.show(found)


def _found(text: str, path: tuple[str | None, ...]) -> Any:
    try:
        value = orjson.loads(text)
    except ValueError:
        return _MISSING
    for key in path:
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key is not None and key.isdecimal():
            if int(key) >= len(value):
                return _MISSING
            value = value[int(key)]
        else:
            return _MISSING
    return value
