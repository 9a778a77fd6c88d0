"""Unions of what has no tag: the member that fits, and the path where none does."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

import msgspec
import pytest

from perdure.errors import BadValue
from perdure.serde import serde_for


@dataclass
class Card:
    number: str
    holder: str = ""


@dataclass
class Transfer:
    iban: str
    kind: Literal["transfer"] = "transfer"


@dataclass
class Detailed:
    number: str
    holder: str
    country: str


class Cash(TypedDict):
    coins: list[int]


@dataclass
class Node:
    pay: Card | Transfer
    parts: "list[Node]" = field(default_factory=list)


@dataclass
class Square:
    kind: Literal["square"]
    side: int


@dataclass
class Circle:
    kind: Literal["circle"]
    side: int


CASES: list[tuple[Any, Any]] = [
    (Card | Transfer, Card("1")),
    (Card | Transfer, Transfer("DE")),
    (Card | Transfer | None, None),
    (Card | Transfer | None, Transfer("DE")),
    (Card | Detailed, Detailed("1", "ann", "de")),
    (Card | Detailed, Card("1", "ann")),
    (Card | Cash, {"coins": [1, 2]}),
    (Square | Circle, Circle("circle", 2)),
    (list[Card | Transfer], [Card("1"), Transfer("2")]),
    (dict[str, Card | Transfer], {"a": Card("1")}),
    (tuple[Card | Transfer, ...], (Card("1"), Transfer("2"))),
    (Node, Node(Card("1"), [Node(Transfer("2"))])),
    (dt.datetime | str, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    (str | dt.datetime, dt.datetime(2026, 1, 1, tzinfo=dt.UTC)),
    (dt.datetime | str, "tomorrow"),
]


@pytest.mark.parametrize(("annotation", "value"), CASES, ids=str)
def test_a_value_of_a_union_comes_back_as_its_member(annotation: Any, value: Any) -> None:
    serde = serde_for(annotation)
    assert serde.decode(serde.encode(value)) == value
    assert serde.decode(b"" if value is None else serde.encode(value)) == value


BAD: list[tuple[Any, bytes, str, str]] = [
    (Card | Transfer, b"5", "Fits no member of the union (Card: Expected `object`, got `int`", "$"),
    (Card | Transfer, b'{"number":1}', "Card: Expected `str`, got `int`", "$"),
    (list[Card | Transfer], b'[{"number":"1"},{}]', "missing required field `number`", "$[1]"),
    (Node, b'{"pay":{"iban":"x"},"parts":[{"pay":{}}]}', "Fits no member", "$.parts[0].pay"),
    (Node, b'{"parts":[]}', "missing required field `pay`", "$"),
    (Node, b"[]", "Expected `object`, got `array`", "$"),
    (Card | Transfer, b"{", "Input data was truncated", "$"),
    (Square | Circle, b'{"kind":"oval","side":1}', "Invalid enum value 'oval'", "$"),
]


@pytest.mark.parametrize(("annotation", "data", "said", "path"), BAD, ids=str)
def test_what_fits_no_member_names_the_path(
    annotation: Any, data: bytes, said: str, path: str
) -> None:
    with pytest.raises(BadValue) as caught:
        serde_for(annotation).decode(data)
    assert said in str(caught.value)
    assert caught.value.path == path


def test_a_union_with_a_class_that_has_no_json_is_refused() -> None:
    class Plain:
        pass

    with pytest.raises(TypeError, match="Plain has no JSON"):
        serde_for(list[Card | Transfer | Plain])


def test_the_schema_names_each_member_once() -> None:
    schema = serde_for(list[Node]).schema()
    assert schema is not None
    assert schema["items"] == {"$ref": "#/$defs/Node"}
    node = schema["$defs"]["Node"]
    assert node["properties"]["pay"]["anyOf"] == [
        {"$ref": "#/$defs/Card"},
        {"$ref": "#/$defs/Transfer"},
    ]
    assert node["properties"]["parts"]["items"] == {"$ref": "#/$defs/Node"}
    assert node["required"] == ["pay"]
    assert set(schema["$defs"]) == {"Node", "Card", "Transfer"}
    msgspec.json.encode(schema)
