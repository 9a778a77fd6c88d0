"""A value of any kind of record or row, made from its type: every field is set, none by chance."""

import zlib
from typing import Any

from msgspec import inspect


def sample(kind: type) -> Any:
    """The sample of a struct; the same in every run and every process."""
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return _struct(info, 0)


def _struct(info: inspect.StructType, depth: int) -> Any:
    values = {f.name: _value(f.name, f.type, depth + 1) for f in info.fields}
    return info.cls(**values)


def _value(name: str, info: inspect.Type, depth: int) -> Any:
    number = zlib.crc32(name.encode()) % 40_000
    match info:
        case inspect.IntType():
            return number
        case inspect.BoolType():
            return True
        case inspect.StrType():
            return f"{name}-é"
        case inspect.BytesType():
            return name.encode() + b"\x00\xff"
        case inspect.ByteArrayType():
            return bytearray(name.encode() + b"\x00\xff")
        case inspect.StructType():
            return _struct(info, depth)
        case inspect.ListType():
            return [_value(name, info.item_type, depth)] if depth < 6 else []
        case inspect.VarTupleType():
            return (_value(name, info.item_type, depth),) if depth < 6 else ()
        case inspect.TupleType():
            return tuple(_value(name, item, depth) for item in info.item_types)
        case inspect.DictType():
            key = _value(name, info.key_type, depth)
            return {key: _value(name, info.value_type, depth)}
        case inspect.UnionType():
            return _of_union(name, info, depth)
    raise TypeError(f"no sample for {info}")


def _of_union(name: str, info: inspect.UnionType, depth: int) -> Any:
    wanted = [t for t in info.types if not isinstance(t, inspect.NoneType)]
    if depth > 5:
        plain = [t for t in info.types if not isinstance(t, inspect.StructType)]
        wanted = [t for t in plain if not isinstance(t, inspect.NoneType)] or plain
    return None if isinstance(wanted[0], inspect.NoneType) else _value(name, wanted[0], depth)


def variants(kind: type, union: Any) -> list[type]:
    """The members of a union of structs, by name."""
    members = sorted(union.__args__, key=lambda member: member.__name__)
    assert all(issubclass(member, kind) for member in members)
    return members
