"""Every annotation has bytes, and a value that does not fit says where."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, TypedDict
from uuid import UUID

import msgspec
import pytest

from perdure.errors import BadValue
from perdure.serde import Serde, encode_value, serde_for


class Colour(Enum):
    RED = "red"


class Point(TypedDict):
    x: int


@dataclass
class Item:
    sku: str
    count: int


@dataclass
class Order:
    items: list[Item]


class Size(NamedTuple):
    name: str
    number: int


class Struct(msgspec.Struct):
    sku: str
    counts: list[int]


class Upper:
    content_type = "text/plain"

    def encode(self, value: str) -> bytes:
        return value.upper().encode()

    def decode(self, data: bytes) -> str:
        return data.decode().lower()

    def schema(self) -> dict[str, Any] | None:
        return None


@pytest.mark.parametrize(
    ("annotation", "value"),
    [
        (int, 3),
        (str, "a"),
        (bytes, b"\x00\xff"),
        (None, None),
        (NoReturn, None),
        (str | None, None),
        (str | None, "x"),
        (Any, {"a": [1, None]}),
        (Any, None),
        (Order, Order([Item("a", 1)])),
        (dict[str, list[Item]], {"k": [Item("a", 1)]}),
        (list[Point], [{"x": 1}]),
        (Colour, Colour.RED),
        (datetime, datetime(2026, 1, 2, tzinfo=UTC)),
        (UUID, UUID(int=7)),
        (tuple[int, str], (1, "a")),
        (set[int], {1, 2}),
        (frozenset[str], frozenset("ab")),
        (bool, True),
        (float, 1.5),
        (date, date(2026, 1, 2)),
        (timedelta, timedelta(days=7, microseconds=1)),
        (Decimal, Decimal("1.10")),
        (Literal["a", 1], 1),
        (Size, Size("s", 2)),
        (Struct, Struct("a", [1])),
        (dict[int, Colour], {1: Colour.RED}),
        (dict[UUID, date], {UUID(int=1): date(2026, 1, 2)}),
        (int | str, "1"),
        (Annotated[str, Upper()], "abc"),
    ],
)
def test_a_value_comes_back_as_its_type(annotation: Any, value: Any) -> None:
    serde: Serde[Any] = serde_for(annotation)
    again = serde.decode(serde.encode(value))
    assert again == value
    assert type(again) is type(value)


def test_classes_of_attrs_come_back_and_name_the_path() -> None:
    attrs = pytest.importorskip("attrs")
    sku, items = attrs.field(type=str), attrs.field(type=list[Item], factory=list)
    basket = attrs.make_class("Basket", {"sku": sku, "items": items})
    serde: Serde[Any] = serde_for(list[basket | None])
    value = [basket("a", [Item("b", 2)]), None, basket("c")]
    assert serde.decode(serde.encode(value)) == value
    with pytest.raises(BadValue, match="Expected `int`, got `str`") as caught:
        serde.decode(b'[{"sku": "a", "items": [{"sku": "b", "count": "x"}]}]')
    assert caught.value.path == "$[0].items[0].count"


def test_bytes_that_do_not_fit_name_the_path() -> None:
    with pytest.raises(BadValue, match="Expected `int`, got `str`") as caught:
        serde_for(Order).decode(b'{"items": [{"sku": "a", "count": "x"}]}')
    assert caught.value.path == "$.items[0].count"


def test_a_value_that_has_no_json_names_the_path() -> None:
    with pytest.raises(BadValue) as caught:
        serde_for(Any).encode({"a": [1, object()]})
    assert caught.value.path == "$.a[1]"


def test_a_value_that_contains_itself_is_an_error() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(BadValue):
        serde_for(Any).encode(loop)


def test_an_optional_is_absent_without_a_body() -> None:
    assert serde_for(int | None).decode(b"") is None
    with pytest.raises(BadValue):
        serde_for(int).decode(b"")


class Meeting(msgspec.Struct, rename="camel"):
    begins_at: datetime
    ends_at: datetime | None = None
    breaks: list[time] = []
    by_room: dict[str, "Meeting"] = {}


DATE_TIME = {"type": "string", "format": "date-time"}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        (datetime, DATE_TIME),
        (time, {"type": "string", "format": "time"}),
        (datetime | None, {"anyOf": [DATE_TIME, {"type": "null"}]}),
        (list[datetime], {"type": "array", "items": DATE_TIME}),
        (dict[str, datetime], {"type": "object", "additionalProperties": DATE_TIME}),
        (Annotated[datetime, msgspec.Meta(tz=True)], DATE_TIME),
        (str, {"type": "string"}),
    ],
)
def test_times_say_their_format(annotation: Any, schema: dict[str, Any]) -> None:
    assert serde_for(annotation).schema() == schema


def test_times_within_objects_say_their_format() -> None:
    schema = serde_for(list[Meeting] | None).schema()
    assert schema is not None
    properties = schema["$defs"]["Meeting"]["properties"]
    assert properties["beginsAt"] == DATE_TIME
    assert DATE_TIME in properties["endsAt"]["anyOf"]
    assert properties["breaks"]["items"] == {"type": "string", "format": "time"}


@pytest.mark.parametrize(
    "annotation",
    [Order, Colour, Point, datetime, UUID, tuple[int, str], set[int], list[Item] | None, Meeting],
)
def test_everything_but_bytes_has_a_schema(annotation: Any) -> None:
    schema = serde_for(annotation).schema()
    assert schema
    names = {one.rpartition("/")[2] for one in re.findall(r"#/\$defs/\w+", repr(schema))}
    assert names <= set(schema.get("$defs", ()))


_SETS = """\
from dataclasses import dataclass
from typing import Any
from perdure.serde import encode_value, serde_for, serde_for_result

@dataclass
class Tagged:
    tags: set[str]
    counts: dict[str, int]

words = {"alpha", "beta", "gamma", "delta", "epsilon"}
tagged = Tagged(words, {"z": 1, "a": 2})
for value, of in ((words, set[str]), ([{"deep": [words]}], Any), (tagged, Tagged)):
    print(encode_value(value), serde_for(of).encode(value), serde_for_result(of).encode(value))
"""


def test_sets_have_the_same_bytes_in_every_process() -> None:
    """A replay compares them, and each process has an order of its own."""
    found = set()
    for seed in range(4):
        env = {**os.environ, "PYTHONHASHSEED": str(seed)}
        command = [sys.executable, "-c", _SETS]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1


def test_dicts_keep_their_order() -> None:
    assert encode_value({"z": 1, "a": [{"y": 1, "b": 2}]}) == b'{"z":1,"a":[{"y":1,"b":2}]}'
