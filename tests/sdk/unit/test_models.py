"""Models of pydantic arrive as what they are, wherever they are in an annotation."""

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, Field

from perdure.errors import BadValue
from perdure.serde import serde_for


class Line(BaseModel):
    sku: str
    count: int = Field(default=1, gt=0, alias="n")


@dataclass
class Order:
    lines: list[Line]


ONE = Line(sku="a", n=2)


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (Line, ONE),
        (list[Line], [ONE]),
        (dict[str, Line | None], {"x": ONE, "y": None}),
        (Order, Order([ONE])),
        (Line | None, None),
    ],
)
def test_a_model_comes_back(annotation: Any, value: Any) -> None:
    serde = serde_for(annotation)
    assert serde.decode(serde.encode(value)) == value
    assert serde.schema() is not None


def test_an_alias_is_what_travels() -> None:
    assert serde_for(Line).encode(ONE) == b'{"sku":"a","n":2}'
    assert serde_for(Any).encode([ONE]) == b'[{"sku":"a","n":2}]'


def test_what_does_not_fit_names_its_path() -> None:
    with pytest.raises(BadValue, match="greater than 0") as caught:
        serde_for(Order).decode(b'{"lines": [{"sku": "a", "n": 0}]}')
    assert caught.value.path == "$.lines[0].n"
    with pytest.raises(BadValue):
        serde_for(Line).decode(b"")
    with pytest.raises(BadValue, match="cannot be encoded"):
        serde_for(Line).encode({"sku": 1})


def test_no_body_is_none_where_that_is_allowed() -> None:
    assert serde_for(Line | None).decode(b"") is None
