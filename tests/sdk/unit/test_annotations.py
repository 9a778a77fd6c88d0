"""Annotations are looked up by each Python in its own way, and mean the same."""

import __future__

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from perdure.errors import BadDefinition
from perdure.serde import ANY
from perdure.service import definition_of
from perdure.steps import traits_of

_SOURCE = """
import typing
from dataclasses import dataclass
from typing import Any

import perdure
from perdure import compat

if typing.TYPE_CHECKING:
    from nowhere import Missing


@dataclass
class Item:
    sku: str
    above: Item | None = None


def local_type():
    @dataclass
    class Local:
        x: int

    service = perdure.Service("S")

    @service.handler
    async def take(ctx: perdure.Context, one: Local) -> list[Local]:
        return [one]

    return service, Local


def unknown_argument():
    @perdure.Service("S").handler
    async def take(ctx: perdure.Context, one: Missing) -> Item: ...


def unknown_context():
    @perdure.Service("S").handler
    async def take(ctx: Missing) -> Item: ...


def unknown_field():
    @dataclass
    class Part:
        one: Missing

    @perdure.Service("S").handler
    async def take(ctx: perdure.Context, one: Part) -> Item: ...


def unknown_state():
    class Cart(perdure.Object):
        items: dict[str, Missing] = perdure.state(default_factory=dict)


class Cart(perdure.Object):
    @dataclass
    class Line:
        count: int

    lines: dict[str, Line] = perdure.state(default_factory=dict)
    note: Missing

    @perdure.handler
    async def list(self: Cart) -> list[Line]: ...

    @perdure.handler
    async def add(self, line: Line) -> Item: ...


class Heir(Cart):
    pass


async def of_nothing_known(one: Missing) -> Item: ...


async def to_nothing_known(one: Item) -> Missing: ...


def renamed():
    service = compat.Service("S")

    @service.handler()
    async def take(ctx: Missing, one: Item) -> Item:
        return one

    return service
"""
# As text where Python has no other way to name what is not there yet, and as 3.14 has them.
_WAYS = ["text", "deferred"] if sys.version_info >= (3, 14) else ["text"]


@pytest.fixture(params=_WAYS)
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """The module above."""
    file = tmp_path / "annotated.py"
    file.write_text(_SOURCE)
    flags = __future__.annotations.compiler_flag if request.param == "text" else 0
    module = sys.modules["annotated"] = ModuleType("annotated")
    module.__file__ = str(file)
    request.addfinalizer(lambda: sys.modules.pop("annotated"))
    exec(compile(_SOURCE, file, "exec", flags, dont_inherit=True), vars(module))
    return module


def _handlers(service: Any) -> Any:
    return definition_of(service).handlers


def test_types_of_a_function_are_found(app: Any) -> None:
    service, local = app.local_type()
    assert _handlers(service)["take"].input.decode(b'{"x":1}') == local(1)
    assert _handlers(service)["take"].output.decode(b'[{"x":1}]') == [local(1)]


def test_types_in_a_class_are_found_though_others_are_not(app: Any) -> None:
    for cls in (app.Cart, app.Heir):
        handlers = _handlers(cls)
        assert handlers["add"].input.decode(b'{"count":1}') == app.Cart.Line(1)
        assert handlers["add"].output.decode(b'{"sku":"a"}') == app.Item("a")
        assert handlers["list"].output.decode(b'[{"count":1}]') == [app.Cart.Line(1)]
        state = cls.__perdure_state__["lines"]
        assert state.decoded(b'{"a":{"count":2}}')[0] == {"a": app.Cart.Line(2)}


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("unknown_argument", "annotation that names nothing known: name 'Missing'"),
        ("unknown_context", "annotation that names nothing known: name 'Missing'"),
        ("unknown_field", "parameter 'one' cannot be carried: a part of it names nothing known"),
        ("unknown_state", "state 'items': name 'Missing'"),
    ],
)
def test_what_is_not_known_is_refused_with_its_place(app: Any, what: str, said: str) -> None:
    with pytest.raises(BadDefinition, match=said) as caught:
        getattr(app, what)()
    assert caught.value.file == app.__file__ and caught.value.line


def test_the_result_of_a_step_is_known_by_itself(app: Any) -> None:
    found = traits_of(app.of_nothing_known).serde.decode(b'{"sku":"a","above":{"sku":"b"}}')
    assert found == app.Item("a", app.Item("b"))
    assert traits_of(app.to_nothing_known).serde is ANY


def test_names_of_restate_sdk_leave_out_what_is_not_known(app: Any) -> None:
    service = app.renamed()
    assert service._runs["take"].input.deserialize(b'{"sku":"a"}') == app.Item("a")
