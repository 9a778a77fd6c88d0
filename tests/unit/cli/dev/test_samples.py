"""The command that is shown: its input is one that the handler takes."""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import pytest

from orchestrator.cli.dev.samples import curls_of, sample_of
from perdure.serde import serde_for


class Color(enum.Enum):
    RED = "red"


@dataclass
class Item:
    sku: str
    count: int
    colors: list[Color]
    of: Item | None = None


@pytest.mark.parametrize(
    "annotation",
    [
        str,
        int,
        float,
        bool,
        None,
        Item,
        list[Item],
        dict[str, int],
        Color,
        UUID,
        tuple[int, str],
        Literal["a", "b"],
        str | None,
        int | Item,
    ],
)
def test_a_sample_decodes(annotation: Any) -> None:
    import json

    serde = serde_for(annotation)
    sample = sample_of(serde.schema())
    serde.decode(json.dumps(sample).encode())


@pytest.mark.parametrize("schema", [None, True, {}, {"$ref": "#/$defs/none"}, {"type": "odd"}])
def test_a_schema_that_says_nothing(schema: Any) -> None:
    assert sample_of(schema) is None


def test_a_schema_that_refers_to_itself_ends() -> None:
    node: dict[str, Any] = {"type": "object", "properties": {}, "required": ["next"]}
    node["properties"]["next"] = {"$ref": "#"}
    assert sample_of(node) is not None


def test_one_command_for_each_service() -> None:
    text = {"type": "string"}
    services = [
        {
            "name": "Greeter",
            "ty": "Service",
            "handlers": [
                {"name": "hidden", "public": False},
                {"name": "greet", "public": True, "input_json_schema": text},
            ],
        },
        {
            "name": "Cart",
            "ty": "VirtualObject",
            "handlers": [{"name": "clear", "ty": "Exclusive", "input_description": "none"}],
        },
        {
            "name": "signup",
            "ty": "Workflow",
            "handlers": [
                {"name": "click", "ty": "Shared"},
                {"name": "run", "ty": "Workflow", "input_json_schema": text},
            ],
        },
        {"name": "Private", "ty": "Service", "public": False, "handlers": [{"name": "x"}]},
    ]
    assert [shlex.split(line)[1:] for line in curls_of("http://h:1", services)] == [
        ["http://h:1/Greeter/greet", "--json", '"Ann"'],
        ["http://h:1/Cart/ann/clear"],
        ["http://h:1/signup/ann/run/send", "--json", '"Ann"'],
    ]
