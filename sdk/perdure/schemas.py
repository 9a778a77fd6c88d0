"""The JSON schema of a type that msgspec knows, and the formats that it leaves out.

It says `date-time` only of times that must have a zone; here any datetime is one, because what
callers send is told by it.
"""

from typing import Any, Final

import msgspec
from msgspec import inspect

_FORMATS: Final = {inspect.DateTimeType: "date-time", inspect.TimeType: "time"}
_OBJECTS: Final = (inspect.StructType, inspect.DataclassType, inspect.TypedDictType)
_ARRAYS: Final = (
    inspect.ListType,
    inspect.SetType,
    inspect.FrozenSetType,
    inspect.VarTupleType,
    inspect.CollectionType,
)


def json_schema(annotation: Any) -> dict[str, Any]:
    """Return the schema; raises TypeError for what msgspec does not take."""
    found: dict[str, Any] = msgspec.json.schema(annotation)
    _complete(inspect.type_info(annotation), found, found.get("$defs", {}), set())
    return found


def _complete(
    info: inspect.Type, schema: dict[str, Any], definitions: dict[str, Any], done: set[str]
) -> None:
    if isinstance(info, inspect.Metadata):
        info = info.type
    if (name := _FORMATS.get(type(info))) is not None:
        if schema.get("type") == "string":
            schema.setdefault("format", name)
    elif isinstance(info, _OBJECTS):
        _complete_fields(info.fields, schema, definitions, done)
    elif isinstance(info, _ARRAYS):
        _complete(info.item_type, schema.get("items") or {}, definitions, done)
    elif isinstance(info, inspect.TupleType):
        for part, one in zip(info.item_types, schema.get("prefixItems", ()), strict=False):
            _complete(part, one, definitions, done)
    elif isinstance(info, inspect.DictType):
        _complete(info.value_type, schema.get("additionalProperties") or {}, definitions, done)
    elif isinstance(info, inspect.UnionType):
        _complete_union(info, schema, definitions, done)


def _complete_fields(
    fields: tuple[inspect.Field, ...],
    schema: dict[str, Any],
    definitions: dict[str, Any],
    done: set[str],
) -> None:
    name = schema.get("$ref", "").rpartition("/")[2]
    if name in done or name not in definitions:
        return
    done.add(name)
    properties = definitions[name].get("properties", {})
    for one in fields:
        _complete(one.type, properties.get(one.encode_name) or {}, definitions, done)


def _complete_union(
    info: inspect.UnionType, schema: dict[str, Any], definitions: dict[str, Any], done: set[str]
) -> None:
    """Of text there is one member at most: msgspec could not tell several apart."""
    members = schema.get("anyOf", ())
    objects = [one for one in members if "$ref" in one]
    for part in info.types:
        inner = part.type if isinstance(part, inspect.Metadata) else part
        if isinstance(inner, _OBJECTS):
            named = [one for one in objects if one["$ref"].endswith(f"/{inner.cls.__name__}")]
            candidates = named or objects[:1]
        elif type(inner) in _FORMATS:
            candidates = [one for one in members if one.get("type") == "string"]
        elif isinstance(inner, (*_ARRAYS, inspect.TupleType)):
            candidates = [one for one in members if one.get("type") == "array"]
        elif isinstance(inner, inspect.DictType):
            candidates = [one for one in members if one.get("type") == "object"]
        else:
            continue
        for one in candidates[:1]:
            _complete(part, one, definitions, done)
