"""Values to bytes and back, by the names of `restate.serde`."""

import abc
import json
from dataclasses import is_dataclass
from types import UnionType
from typing import Any, Generic, Literal, TypeVar, Union, get_args, get_origin

from perdure.errors import BadValue
from perdure.serde import JSON_TYPE, encode_json, serde_for

T = TypeVar("T")


class Serde(abc.ABC, Generic[T]):
    """How a type of values is carried."""

    @abc.abstractmethod
    def deserialize(self, buf: bytes) -> T | None:
        """Return the value of bytes."""

    @abc.abstractmethod
    def serialize(self, obj: T | None) -> bytes:
        """Return the bytes of a value."""


class BytesSerde(Serde[bytes]):
    """Bytes as they are; None is no bytes."""

    def deserialize(self, buf: bytes) -> bytes | None:
        return bytes(buf)

    def serialize(self, obj: bytes | None) -> bytes:
        return b"" if obj is None else bytes(obj)


class JsonSerde(Serde[T]):
    """JSON as Python's own types; None is no bytes."""

    def deserialize(self, buf: bytes) -> T | None:
        return json.loads(buf) if buf else None

    def serialize(self, obj: T | None) -> bytes:
        return b"" if obj is None else json.dumps(obj).encode()


def is_model(hint: Any) -> bool:
    """Say whether values of a type are rebuilt: models of pydantic, msgspec, and dataclasses."""
    return isinstance(hint, type) and (
        is_dataclass(hint)
        or hasattr(hint, "__struct_fields__")
        or hasattr(hint, "__pydantic_core_schema__")
    )


class DefaultSerde(Serde[T]):
    """JSON; models are rebuilt where their type is known, everything else is Python's own types."""

    def __init__(self, type_hint: Any = None) -> None:
        self.type_hint = type_hint
        self._model = serde_for(type_hint) if is_model(type_hint) else None

    def with_maybe_type(self, type_hint: Any = None) -> "DefaultSerde[T]":
        """Return one for a type."""
        return DefaultSerde(type_hint)

    def deserialize(self, buf: bytes) -> T | None:
        if not buf:
            return None
        if self._model is not None:
            return self._model.decode(buf)  # type: ignore[no-any-return]
        return json.loads(buf)  # type: ignore[no-any-return]

    def serialize(self, obj: T | None) -> bytes:
        if obj is None:
            return b""
        if self._model is not None:
            return self._model.encode(obj)
        # In the very form of restate-sdk, so that journals that it began can be replayed.
        return encode_json(obj) if is_model(type(obj)) else json.dumps(obj).encode()


class PydanticJsonSerde(DefaultSerde[T]):
    """JSON of a model of pydantic."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.model = model


class MsgspecJsonSerde(DefaultSerde[T]):
    """JSON of a struct of msgspec."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.model = model


def extract_core_type(annotation: Any) -> tuple[Literal["optional", "simple"], Any]:
    """Return T of `T | None`, and otherwise the annotation itself."""
    if get_origin(annotation) in (Union, UnionType):
        rest = [one for one in get_args(annotation) if one is not type(None)]
        if len(rest) == 1 and len(get_args(annotation)) == 2:
            return "optional", rest[0]
    return "simple", annotation


def for_type(serde: Serde[T], hint: Any) -> Serde[T]:
    """Return the serde to use: a default one for the type that is known, any other as it is."""
    if type(serde) is DefaultSerde and serde.type_hint is None:
        return serde.with_maybe_type(extract_core_type(hint)[1])
    return serde


class CarriedAsBytes:
    """A serde of ours for what the handler itself encodes and decodes: bytes, and what the
    manifest says of them."""

    def __init__(self, content_type: str | None, hint: Any) -> None:
        self.content_type = content_type
        self._hint = hint

    def encode(self, value: bytes) -> bytes:
        return value

    def decode(self, data: bytes) -> bytes:
        return bytes(data)

    def schema(self) -> dict[str, Any] | None:
        if self._hint is None or self.content_type != JSON_TYPE:
            return None
        try:
            return serde_for(self._hint).schema()
        except TypeError:
            return None


class OfOurs(Generic[T]):
    """One of these serdes as one of ours, for whoever calls a handler."""

    def __init__(self, serde: Serde[T], content_type: str | None) -> None:
        self.content_type = content_type
        self.theirs = serde

    def encode(self, value: Any) -> bytes:
        try:
            return self.theirs.serialize(value)
        except (TypeError, ValueError) as error:
            raise BadValue(f"cannot be encoded: {error}") from error

    def decode(self, data: bytes) -> Any:
        try:
            return self.theirs.deserialize(data)
        except (TypeError, ValueError) as error:
            raise BadValue(str(error)) from error

    def schema(self) -> dict[str, Any] | None:
        return None
