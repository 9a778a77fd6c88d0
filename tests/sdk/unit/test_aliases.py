"""Types named by a `type` statement are carried as what they stand for."""

import sys
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

import pytest
import typing_extensions
from pydantic import BaseModel

from perdure.serde import serde_for, serde_for_result

try:
    from typing import TypeAliasType  # type: ignore[attr-defined]
except ImportError:  # Python 3.11
    TypeAliasType = typing_extensions.TypeAliasType

T = TypeVar("T")


@dataclass
class Card:
    number: str


@dataclass
class Transfer:
    account: str


class Model(BaseModel):
    x: int


class Shout:
    content_type = "text/plain"

    def encode(self, value: str) -> bytes:
        return value.upper().encode()

    def decode(self, data: bytes) -> str:
        return data.decode()

    def schema(self) -> dict[str, Any] | None:
        return None


Kinds = pytest.mark.parametrize("make", [TypeAliasType, typing_extensions.TypeAliasType])


@Kinds
def test_an_alias_is_what_it_stands_for(make: Any) -> None:
    payment = make("Payment", Card | Transfer)
    named = make("Named", dict[str, T], type_params=(T,))
    for annotation, value in [
        (make("Cards", list[Card]), [Card("1")]),
        (payment, Transfer("a")),
        (list[payment], [Card("1"), Transfer("a")]),
        (dict[str, payment | None], {"a": Transfer("a"), "b": None}),
        (make("Twice", make("Once", payment)), Card("1")),
        (named[payment], {"a": Card("1")}),
        (make("Model_", Model), Model(x=1)),
        (list[make("Models", dict[str, Model])], [{"a": Model(x=1)}]),
        (make("Bytes", bytes), b"\x00"),
        (make("Shouted", Annotated[str, Shout()]), "HEY"),
    ]:
        for find in (serde_for, serde_for_result):
            serde = find(annotation)
            assert serde.decode(serde.encode(value)) == value
            serde.schema()
    assert serde_for(make("Bytes", bytes)).encode(b"x") == b"x"
    assert serde_for(make("Maybe", Card | None)).decode(b"") is None
    assert serde_for(payment).schema() == serde_for(Card | Transfer).schema()


if sys.version_info >= (3, 12):

    def test_an_alias_that_contains_itself_is_refused() -> None:
        names: dict[str, Any] = {}
        exec("type Tree = dict[str, Tree] | int", names)
        tree = names["Tree"]
        for annotation in (tree, list[tree]):
            with pytest.raises(TypeError, match="Tree contains itself: make it a class"):
                serde_for(annotation)
        part = dataclass(type("Part", (), {"__annotations__": {"tree": tree}}))
        with pytest.raises(TypeError, match="contains itself: make that a class"):
            serde_for(part)
