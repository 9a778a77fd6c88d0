"""Unions that msgspec cannot tell apart, such as those of plain dataclasses: by trying each.

Of several members that fit, the one counts that leaves the fewest fields of an object unread, and
then the first. A `Literal` field makes members exclude each other, as a tag would.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import (
    Annotated,
    Any,
    Final,
    NotRequired,
    Required,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

import msgspec

from perdure.aliases import spelled_out
from perdure.errors import BadValue
from perdure.schemas import json_schema

Convert = Callable[[Any, str], Any]
"""From JSON's own types, and the path of the value, to the value; raises BadValue."""

_REFUSED: Final = "Type unions may not contain"
_WRAPPERS: Final = (Annotated, Required, NotRequired)
_SEQUENCES: Final[Mapping[Any, Callable[[Any], Any]]] = {
    list: list,
    Sequence: list,
    set: set,
    frozenset: frozenset,
}


def is_too_hard(error: TypeError) -> bool:
    """Say whether msgspec refused a type for such a union."""
    return _REFUSED in str(error)


def converter(annotation: Any, check: Callable[[Any], None]) -> Convert:
    """Return what makes a value of a type; raises TypeError for a type without JSON, as `check`
    does for one that msgspec takes without knowing it."""
    return _Types(check).convert_of(annotation)


class _Types:
    """The converters of one type and its parts; a dataclass may contain itself."""

    def __init__(self, check: Callable[[Any], None]) -> None:
        self._check = check
        self._made: dict[Any, Convert] = {}

    def convert_of(self, annotation: Any) -> Convert:
        if annotation in self._made:
            return lambda value, path: self._made[annotation](value, path)
        try:
            self._check(annotation)
            return _plain(annotation)
        except TypeError as error:
            if not is_too_hard(error):
                raise
        self._made[annotation] = _unfinished
        made = self._made[annotation] = self._of_parts(spelled_out(annotation))
        return made

    def _of_parts(self, annotation: Any) -> Convert:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin in _WRAPPERS:
            return self.convert_of(args[0])
        if origin in (Union, types.UnionType):
            return _union(args, [self.convert_of(one) for one in args])
        if origin in _SEQUENCES:
            return _sequence(_SEQUENCES[origin], self.convert_of(args[0]))
        if origin is tuple and args[-1] is Ellipsis:
            return _sequence(tuple, self.convert_of(args[0]))
        if origin in (dict, Mapping):
            return _mapping(_plain(args[0]), self.convert_of(args[1]))
        if is_typeddict(annotation) or is_dataclass(annotation):
            return self._object(annotation)
        raise TypeError(f"{annotation!r} has a union whose members cannot be told apart")

    def _object(self, cls: Any) -> Convert:
        hints = get_type_hints(cls, include_extras=True)
        parts = {name: self.convert_of(one) for name, one in hints.items()}
        if is_typeddict(cls):
            needed = cast(frozenset[str], cls.__required_keys__)
            return _fields(dict, parts, needed)
        given = frozenset(one.name for one in fields(cls) if one.init)
        needed = given.intersection(_without_default(cls))
        return _fields(cls, {name: parts[name] for name in parts if name in given}, needed)


def _without_default(cls: Any) -> list[str]:
    """The fields of a dataclass that have to be given."""
    return [
        one.name for one in fields(cls) if one.default is MISSING and one.default_factory is MISSING
    ]


def _unfinished(value: Any, path: str) -> Any:
    raise AssertionError("a type is used before its parts are known")


def _plain(annotation: Any) -> Convert:
    msgspec.json.Decoder(annotation)  # the TypeError of what it does not take

    def convert(value: Any, path: str) -> Any:
        try:
            return msgspec.convert(value, annotation, str_keys=True)
        except msgspec.ValidationError as error:
            message, _, inner = str(error).partition(" - at `$")
            where = path + inner.rstrip("`")
            raise BadValue(f"{message} - at `{where}`", where) from None

    return convert


def _sequence(make: Callable[[Any], Any], part: Convert) -> Convert:
    def convert(value: Any, path: str) -> Any:
        if not isinstance(value, list):
            raise _unexpected("array", value, path)
        return make(part(one, f"{path}[{index}]") for index, one in enumerate(value))

    return convert


def _mapping(key: Convert, part: Convert) -> Convert:
    def convert(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _unexpected("object", value, path)
        return {key(name, path): part(one, f"{path}.{name}") for name, one in value.items()}

    return convert


def _fields(
    cls: Callable[..., Any], parts: Mapping[str, Convert], needed: frozenset[str]
) -> Convert:
    def convert(value: Any, path: str) -> Any:
        if not isinstance(value, dict):
            raise _unexpected("object", value, path)
        for name in needed:
            if name not in value:
                message = f"Object missing required field `{name}`"
                raise BadValue(message + (f" - at `{path}`" if path != "$" else ""), path)
        known = {name: one for name, one in parts.items() if name in value}
        return cls(**{name: one(value[name], f"{path}.{name}") for name, one in known.items()})

    return convert


def _union(members: Sequence[Any], converts: Sequence[Convert]) -> Convert:
    known = [_names_of(one) for one in members]
    # Any text is a str, so that is tried after what only some texts are.
    usual = sorted(range(len(members)), key=lambda one: members[one] is str)

    def convert(value: Any, path: str) -> Any:
        order = usual
        if isinstance(value, dict):
            names = value.keys()
            order = sorted(usual, key=lambda one: len(names - known[one]))
        reasons = []
        for one in order:
            try:
                return converts[one](value, path)
            except BadValue as error:
                reasons.append(f"{_label(members[one])}: {error}")
        message = f"Fits no member of the union ({'; '.join(reasons)})"
        raise BadValue(f"{message} - at `{path}`", path)

    return convert


def _names_of(member: Any) -> frozenset[str]:
    """The fields that a member reads of an object; none where it is no object."""
    names = getattr(member, "__struct_encode_fields__", None)
    if names is None and isinstance(member, type):
        names = getattr(member, "__annotations__", None)
        if is_dataclass(member):
            names = [one.name for one in fields(member)]
    return frozenset(names or ())


def _label(member: Any) -> str:
    return getattr(member, "__name__", None) or str(member)


def _unexpected(kind: str, value: Any, path: str) -> BadValue:
    names = {dict: "object", list: "array", type(None): "null", bool: "bool"}
    found = names.get(type(value), type(value).__name__)
    at = f" - at `{path}`" if path != "$" else ""
    return BadValue(f"Expected `{kind}`, got `{found}`{at}", path)


def union_schema(annotation: Any) -> dict[str, Any]:
    """Return the JSON schema of a type with such unions."""
    definitions: dict[str, Any] = {}
    found = _schema(annotation, definitions, {})
    return {**found, "$defs": definitions} if definitions else found


def _schema(annotation: Any, definitions: dict[str, Any], names: dict[Any, str]) -> dict[str, Any]:
    annotation = spelled_out(annotation)
    origin, args = get_origin(annotation), get_args(annotation)

    def of(part: Any) -> dict[str, Any]:
        return _schema(part, definitions, names)

    try:
        found = json_schema(annotation)
    except TypeError as error:
        if not is_too_hard(error):
            raise
    else:
        definitions |= found.pop("$defs", {})
        return found
    if origin in _WRAPPERS:
        return of(args[0])
    if origin in (Union, types.UnionType):
        return {"anyOf": [of(one) for one in args]}
    if origin in _SEQUENCES or origin is tuple:
        unique = {"uniqueItems": True} if origin in (set, frozenset) else {}
        return {"type": "array", "items": of(args[0]), **unique}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": of(args[1])}
    if annotation not in names:
        names[annotation] = annotation.__name__
        definitions[annotation.__name__] = {}  # one that contains itself refers to it
        definitions[annotation.__name__] = _object_schema(annotation, of)
    return {"$ref": f"#/$defs/{names[annotation]}"}


def _object_schema(cls: Any, of: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    if is_typeddict(cls):
        needed = [name for name in hints if name in cls.__required_keys__]
    else:
        needed = _without_default(cls)
    properties = {name: of(one) for name, one in hints.items()}
    return {
        "title": cls.__name__,
        "type": "object",
        "properties": properties,
        "required": needed,
    }
