"""Values to bytes and back, by annotation: what a handler takes and returns, state, promises.

`serde_for` finds the one for a type; a type of your own gets one by `Annotated[T, MySerde()]`.
JSON is the form of everything but `bytes`, which travel as they are, and None, which is no body.
"""

import functools
import inspect
import json
import types
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import (
    Annotated,
    Any,
    Final,
    Never,
    NoReturn,
    Protocol,
    TypeVar,
    Union,
    get_args,
    get_origin,
)

import msgspec

from perdure.aliases import spelled_out, unnamed
from perdure.errors import BadValue
from perdure.models import ModelSerde, mentions_models
from perdure.schemas import json_schema
from perdure.unions import converter, is_too_hard, union_schema

T = TypeVar("T")

JSON_TYPE: Final = "application/json"
BYTES_TYPE: Final = "application/octet-stream"


class Serde(Protocol[T]):
    """How a type of values is carried. It must be deterministic: a replay compares bytes."""

    @property
    def content_type(self) -> str | None:
        """The media type of the bytes; None if there never are any."""

    def encode(self, value: T) -> bytes:
        """Return the bytes of a value; raises BadValue."""

    def decode(self, data: bytes) -> T:
        """Return the value of bytes; raises BadValue, with the path in the value."""

    def schema(self) -> dict[str, Any] | None:
        """The JSON schema of the values, for the manifest; None if there is none to tell."""


class VoidSerde:
    """None, which has no bytes."""

    content_type = None

    def encode(self, value: Any) -> bytes:
        if value is not None:
            raise BadValue(f"expected None, got {type(value).__name__}")
        return b""

    def decode(self, data: bytes) -> None:
        return None

    def schema(self) -> dict[str, Any] | None:
        return None


class BytesSerde:
    """Bytes as they are."""

    content_type = BYTES_TYPE

    def encode(self, value: Any) -> bytes:
        if type(value) is bytes:
            return value
        if isinstance(value, bytearray | memoryview):
            return bytes(value)
        raise BadValue(f"expected bytes, got {type(value).__name__}")

    def decode(self, data: bytes) -> bytes:
        return bytes(data)

    def schema(self) -> dict[str, Any] | None:
        return None


class AnySerde:
    """Where nothing is annotated: JSON as Python's own types; None is no body."""

    content_type = JSON_TYPE

    def encode(self, value: Any) -> bytes:
        return b"" if value is None else encode_json(value)

    def decode(self, data: bytes) -> Any:
        return decode_json(_any_decoder.decode, data) if data else None

    def schema(self) -> dict[str, Any] | None:
        return None


_UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class JsonSerde:
    """JSON of a type that msgspec knows: builtins, dataclasses, attrs, TypedDict, enums, …"""

    content_type = JSON_TYPE

    def __init__(self, annotation: Any) -> None:
        self._annotation = annotation
        self._decode = self._decoder(annotation)
        self._takes_none = type(None) in get_args(annotation)

    def _decoder(self, annotation: Any) -> Callable[[bytes], Any]:
        return msgspec.json.Decoder(annotation).decode

    def encode(self, value: Any) -> bytes:
        return encode_json(value)

    def decode(self, data: bytes) -> Any:
        if not data and self._takes_none:
            return None
        try:
            return self._decode(data)
        except _UNDECODABLE as error:
            raise bad_value(error) from error

    def schema(self) -> dict[str, Any] | None:
        return json_schema(self._annotation)


class UnionSerde(JsonSerde):
    """JSON of a type with a union that msgspec does not take; see perdure.unions."""

    def _decoder(self, annotation: Any) -> Callable[[bytes], Any]:
        convert = converter(annotation, _refuse_unknown)
        return lambda data: convert(msgspec.json.decode(data), "$")

    def schema(self) -> dict[str, Any] | None:
        return union_schema(self._annotation)


def _of_other_libraries(value: Any) -> Any:
    """Models of pydantic wherever they are in a value; anything else has no JSON."""
    if (dump := getattr(value, "model_dump", None)) is not None:
        return dump(mode="json", by_alias=True)
    raise TypeError(f"{type(value).__qualname__} has no JSON")


_encoder: Final = msgspec.json.Encoder(enc_hook=_of_other_libraries)
_ordered: Final = msgspec.json.Encoder(enc_hook=_of_other_libraries, order="deterministic")
_SETS: Final = frozenset((set, frozenset))
_PLAIN: Final = frozenset((str, int, float, bool, bytes, type(None)))
_any_decoder: Final = msgspec.json.Decoder()
_NO_JSON: Final = (TypeError, ValueError, OverflowError, RecursionError)
VOID: Final = VoidSerde()
BYTES: Final = BytesSerde()
ANY: Final = AnySerde()


def encode_json(value: Any) -> bytes:
    """Return the JSON of a value; raises BadValue that says which part has none."""
    try:
        data = _encoder.encode(value)
        if b"null" in data and value is not None:
            _refuse_not_finite(value)
        if type(value) not in _PLAIN and _holds_set(value):
            data = _in_order(value, data)
    except _NO_JSON as error:
        path = _path_of_bad_part(value)
        raise BadValue(f"cannot be encoded: {error} - at `{path}`", path) from error
    return data


def _holds_set(value: Any) -> bool:
    """Whether there is a set in a value: each process has its elements in an order of its own."""
    kind = type(value)
    if kind in _SETS:
        return True
    if kind is dict:
        parts: Any = value.values()
    elif kind is list or kind is tuple:
        parts = value
    elif is_dataclass(kind) or issubclass(kind, msgspec.Struct):
        parts = _fields_of(value)
    else:
        return False
    kinds = {*map(type, parts)}
    return not kinds <= _PLAIN and any(map(_holds_set, parts))


def _in_order(value: Any, data: bytes) -> bytes:
    """The JSON with the elements of sets in order, as a replay in another process has them."""
    try:
        return _ordered.encode(value)
    except TypeError:  # they have no order
        return data


def _refuse_not_finite(value: Any) -> None:
    """Raise ValueError if there is a nan or an infinity in a value, which msgspec makes a null."""
    try:
        _strict.encode(value)
    except ValueError as error:
        raise ValueError("nan and infinity have no JSON") from error


def encode_value(value: Any) -> bytes:
    """The bytes of a value whose type nobody declared: bytes as they are, else JSON."""
    return value if type(value) is bytes else encode_json(value)


def as_serde(of: Any) -> Serde[Any]:
    """Take a Serde as it is, and find the one of a type."""
    if hasattr(of, "decode") and hasattr(of, "encode"):
        return of  # type: ignore[no-any-return]
    return serde_for(of)


def decode_json(decode: Callable[[bytes], Any], data: bytes) -> Any:
    """Decode by a decoder of msgspec; raises BadValue with the path in the value."""
    try:
        return decode(data)
    except _UNDECODABLE as error:
        raise bad_value(error) from error


def bad_value(error: Exception) -> BadValue:
    """The BadValue of what a decoder of msgspec raised."""
    message = str(error)
    place = message.rpartition(" - at `")[2] if " - at `" in message else "$`"
    return BadValue(message, place.rstrip("`"))


def _path_of_bad_part(value: Any) -> str:
    path = "$"
    for _ in range(100):  # a value that contains itself has no end
        for step, part in _parts(value):
            try:
                _encoder.encode(part)
                _refuse_not_finite(part)
            except _NO_JSON:
                path, value = path + step, part
                break
        else:
            return path
    return path


def _parts(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [(f".{key}", part) for key, part in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{index}]", part) for index, part in enumerate(value)]
    if is_dataclass(value):
        return [(f".{one.name}", getattr(value, one.name)) for one in fields(value)]
    if isinstance(value, msgspec.Struct):
        return [(f".{name}", getattr(value, name)) for name in value.__struct_fields__]
    return []


def _fields_of(value: Any) -> list[Any]:
    return [part for _, part in _parts(value)]


_strict: Final = json.JSONEncoder(allow_nan=False, skipkeys=True, default=_fields_of)


class ResultSerde:
    """The serde of what a function returns, or state holds: a value that is not of the type is told
    here, where it comes from, and not by whoever decodes it."""

    def __init__(self, inner: JsonSerde, annotation: Any) -> None:
        self.content_type = inner.content_type
        self.decode = inner.decode
        self.schema = inner.schema
        self._sure = _sure_types(annotation)

    def encode(self, value: Any) -> bytes:
        data = encode_json(value)
        if type(value) not in self._sure:
            try:
                self.decode(data)
            except BadValue as error:
                raise BadValue(f"does not fit its type: {error}", error.path) from None
        return data


def _sure_types(annotation: Any) -> frozenset[type]:
    """The types whose values fit an annotation whatever is in them."""
    if get_origin(annotation) in (Union, types.UnionType):
        parts = [_sure_types(one) for one in get_args(annotation)]
        return frozenset().union(*parts)
    if annotation in (dict[str, Any], list[Any]):
        return frozenset({get_origin(annotation)})
    plain = annotation in (bool, dict, int, list, str, type(None))
    return frozenset({annotation} if plain else ())


def _remembered(find: Callable[[Any], Serde[Any]]) -> Callable[[Any], Serde[Any]]:
    """Find the serde of an annotation once; of one that has no hash each time."""
    cached = functools.lru_cache(maxsize=1024)(find)

    @functools.wraps(find)
    def found(annotation: Any) -> Serde[Any]:
        try:
            return cached(annotation)
        except TypeError as error:
            if "unhashable" not in str(error):
                raise
            return find(annotation)

    return found


@_remembered
def serde_for_result(annotation: Any) -> Serde[Any]:
    """Return the serde of what a function returns, by its annotation; raises TypeError."""
    found = serde_for(annotation)
    if not isinstance(found, JsonSerde):
        return found
    return ResultSerde(found, spelled_out(annotation))


def encode_as(of: Any, value: Any) -> bytes:
    """The bytes of a value of a type, or by a Serde; raises BadValue for one that is not of it."""
    if of is Any or of is None:
        return encode_value(value)
    if hasattr(of, "decode") and hasattr(of, "encode"):
        return of.encode(value)  # type: ignore[no-any-return]
    return serde_for_result(of).encode(value)


@_remembered
def serde_for(annotation: Any) -> Serde[Any]:
    """Return the serde of an annotation; raises TypeError for a type that has none."""
    try:
        return _find_serde(unnamed(annotation))
    except NameError as error:
        raise TypeError(f"a part of it names nothing known: {error}") from None
    except RecursionError:
        raise TypeError(
            "a type in it contains itself: make that a class, or annotate Any"
        ) from None


def _find_serde(annotation: Any) -> Serde[Any]:
    if annotation in (inspect.Parameter.empty, Any, object):
        return ANY
    if annotation in (None, type(None), NoReturn, Never):
        return VOID
    if annotation is bytes or annotation is bytearray:
        return BYTES
    if get_origin(annotation) is Annotated:
        for extra in annotation.__metadata__:
            if callable(getattr(extra, "encode", None)) and callable(
                getattr(extra, "decode", None)
            ):
                return extra  # type: ignore[no-any-return]
    if mentions_models(annotation):
        return ModelSerde(annotation)
    annotation = spelled_out(annotation)
    try:
        _refuse_unknown(annotation)
        return JsonSerde(annotation)
    except TypeError as error:
        if not is_too_hard(error):
            raise
    return UnionSerde(annotation)


def _refuse_unknown(annotation: Any) -> None:
    """Raise TypeError if there is a class in a type that has no JSON."""
    waiting = [msgspec.inspect.type_info(annotation)]
    seen: set[int] = set()
    while waiting:
        one = waiting.pop()
        if isinstance(one, msgspec.inspect.CustomType):
            raise TypeError(
                f"{one.cls.__qualname__} has no JSON: make it a dataclass, or give it a serde by"
                f" Annotated[{one.cls.__qualname__}, MySerde()]"
            )
        if id(one) in seen or not isinstance(one, msgspec.inspect.Type | msgspec.inspect.Field):
            continue
        seen.add(id(one))
        for name in one.__struct_fields__:
            part = getattr(one, name)
            waiting += part if isinstance(part, tuple) else (part,)
