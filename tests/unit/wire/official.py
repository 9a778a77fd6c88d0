"""The official protobuf messages, made at test time from the vendored .proto texts.

The reader knows the part of the .proto language that those files use, and no more.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import (  # type: ignore[import-untyped]
    descriptor_pb2,
    descriptor_pool,
    message_factory,
)

_PROTO = Path(__file__).parent / "proto"
_TOKEN = re.compile(r'"[^"]*"|[A-Za-z_][A-Za-z0-9_.]*|\d+|[{}=;,]')
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    "uint32": _Field.TYPE_UINT32,
    "uint64": _Field.TYPE_UINT64,
    "bool": _Field.TYPE_BOOL,
    "string": _Field.TYPE_STRING,
    "bytes": _Field.TYPE_BYTES,
}
_ENUMS = {"CombinatorType", "ErrorBehavior"}


class _Reader:
    def __init__(self, text: str) -> None:
        self.tokens: list[str] = _TOKEN.findall(_COMMENT.sub("", text))
        self.at = 0

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def peek(self) -> str:
        return self.tokens[self.at]

    def expect(self, *tokens: str) -> None:
        for token in tokens:
            found = self.next()
            assert found == token, f"expected {token!r}, found {found!r}"

    def skip_statement(self) -> None:
        while self.next() != ";":
            pass

    def file(self, name: str) -> descriptor_pb2.FileDescriptorProto:
        file = descriptor_pb2.FileDescriptorProto(name=name, syntax="proto3")
        while self.at < len(self.tokens):
            word = self.next()
            if word == "package":
                file.package = self.next()
                self.expect(";")
            elif word == "message":
                self.message(file.message_type.add())
            elif word == "enum":
                self.enum(file.enum_type.add())
            elif word in ("syntax", "option"):
                self.skip_statement()
            else:
                assert word == ";", word
        return file

    def enum(self, enum: Any) -> None:
        enum.name = self.next()
        self.expect("{")
        while (word := self.next()) != "}":
            if word == "reserved":
                self.skip_statement()
                continue
            self.expect("=")
            enum.value.add(name=word, number=int(self.next()))
            self.expect(";")

    def message(self, message: Any) -> None:
        message.name = self.next()
        self.expect("{")
        while (word := self.next()) != "}":
            if word == "message":
                self.message(message.nested_type.add())
            elif word == "oneof":
                self.oneof(message)
            elif word == "reserved":
                self.skip_statement()
            elif word == "repeated":
                self.field(message, self.next()).label = _Field.LABEL_REPEATED
            elif word == "optional":
                self.field(message, self.next()).proto3_optional = True
            elif word != ";":
                self.field(message, word)
        # Presence of an optional scalar is a oneof of one, after all the written ones.
        for field in message.field:
            if field.proto3_optional:
                field.oneof_index = len(message.oneof_decl)
                message.oneof_decl.add(name=f"_{field.name}")

    def oneof(self, message: Any) -> None:
        index = len(message.oneof_decl)
        message.oneof_decl.add(name=self.next())
        self.expect("{")
        while (word := self.next()) != "}":
            self.field(message, word).oneof_index = index

    def field(self, message: Any, kind: str) -> Any:
        field = message.field.add(name=self.next(), label=_Field.LABEL_OPTIONAL)
        self.expect("=")
        field.number = int(self.next())
        self.expect(";")
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type = _Field.TYPE_ENUM if kind in _ENUMS else _Field.TYPE_MESSAGE
            field.type_name = kind
        return field


@cache
def _pool() -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for path in sorted(_PROTO.glob("*.proto")):
        pool.AddSerializedFile(_Reader(path.read_text()).file(path.name).SerializeToString())
    return pool


@cache
def message_class(name: str) -> Any:
    """Return the class of a message, such as `StartMessage` or `v6.SuspensionMessage`."""
    found = _pool().FindMessageTypeByName(f"dev.restate.service.protocol.{name}")
    return message_factory.GetMessageClass(found)


def serialize(message: Any) -> bytes:
    """Write a message in the canonical order of its fields."""
    out: bytes = message.SerializeToString(deterministic=True)
    return out
