"""State as people read and write it: JSON where the bytes are JSON, else base64 in an object."""

import base64
import binascii
import json
from collections import Counter
from typing import Any, Final

BINARY: Final = "$base64"


class JsonError(ValueError):
    """A text that is not the JSON that was asked for."""


def show_value(value: bytes) -> Any:
    """JSON that `stored` turns into the same bytes, or into others of the same meaning."""
    try:
        found = json.loads(value, parse_constant=_no_constant)
        stored(found)  # half a surrogate pair is read, but cannot be written
    except (ValueError, RecursionError):
        return {BINARY: base64.b64encode(value).decode()}
    if isinstance(found, dict) and list(found) == [BINARY]:
        # Else it would look like the one that stands for bytes.
        return {BINARY: base64.b64encode(value).decode()}
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def stored(value: Any) -> bytes:
    """The bytes of a value; the shortest JSON."""
    if isinstance(value, dict) and list(value) == [BINARY]:
        try:
            return base64.b64decode(value[BINARY], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise JsonError(f"{BINARY} does not hold base64: {error}") from None
    try:
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise JsonError("a text holds half of a surrogate pair") from None


def changed(old: dict[str, bytes], wanted: dict[str, Any]) -> dict[str, bytes]:
    """The state `wanted` says; what means the same keeps its bytes."""
    return {
        name: old[name] if name in old and _same(show_value(old[name]), value) else stored(value)
        for name, value in wanted.items()
    }


def _same(one: Any, other: Any) -> bool:
    # Not `==`: for that 1, 1.0 and true are the same.
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def parse_object(text: str) -> dict[str, Any]:
    """A JSON object, each name once; JsonError says what is wrong."""
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise JsonError("the JSON is nested too deeply") from None
    except JsonError:
        raise
    except ValueError as error:
        raise JsonError(f"this is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise JsonError('a JSON object is needed: {"name": value, …}')
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise JsonError(f"the name {twice!r} comes twice in one object")
    return found
