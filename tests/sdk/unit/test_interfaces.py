"""Interfaces: called like the service, held to by whoever implements them, never served."""

from dataclasses import dataclass
from typing import Any

import pytest

import perdure
from perdure.definitions import HandlerRef, target_of
from perdure.errors import BadDefinition
from perdure.service import definition_of


@dataclass
class Item:
    sku: str
    count: int = 1


@perdure.iface
class Cart(perdure.Object):
    """What carts offer."""

    @perdure.handler
    async def add(self, item: Item) -> int:
        raise NotImplementedError

    @perdure.shared(name="all")
    async def get_all(self) -> dict[str, int]:
        raise NotImplementedError


def test_an_interface_is_called_like_the_service() -> None:
    ref = target_of(Cart.get_all)
    assert isinstance(ref, HandlerRef)
    assert (ref.service, ref.name, ref.kind, ref.needs_key) == ("Cart", "all", "shared", True)


def test_an_interface_is_not_served() -> None:
    with pytest.raises(BadDefinition, match=r"Cart is an interface.*test_interfaces.py"):
        perdure.app(Cart)


def test_a_class_that_derives_from_it_serves_it_under_its_name() -> None:
    class Carts(Cart):
        items: dict[str, int] = perdure.state(default_factory=dict)

        async def add(self, item: Item) -> int:
            return item.count

        @perdure.shared(name="all")
        async def get_all(self) -> dict[str, int]:
            return self.items

        @perdure.handler
        async def more(self) -> None:
            pass

    found = definition_of(Carts)
    assert found.name == "Cart"
    assert {name: one.kind for name, one in found.handlers.items()} == {
        "add": "exclusive",
        "all": "shared",
        "more": "exclusive",
    }
    assert found.handlers["add"].fn is Carts.add


def test_functions_implement_it() -> None:
    carts = perdure.Object("Cart", implements=Cart)

    @carts.handler
    async def add(ctx: perdure.ObjectContext, item: Item) -> int:
        return item.count

    with pytest.raises(BadDefinition, match="does not implement 'all'"):
        definition_of(carts)

    @carts.shared(name="all")
    def get_all(ctx: perdure.SyncContext) -> dict[str, int]:
        return {}

    assert set(definition_of(carts).handlers) == {"add", "all"}


def test_what_is_left_out_is_named() -> None:
    class Half(Cart):
        async def add(self, item: Item) -> int:
            return 1

    with pytest.raises(BadDefinition, match="'Cart' does not implement 'all'"):
        perdure.app(Half)


def missing_argument() -> Any:
    class Carts(Cart):
        async def add(self) -> int:  # type: ignore[override]
            return 1

        async def get_all(self) -> dict[str, int]:
            return {}

    return Carts


def other_argument() -> Any:
    class Carts(Cart):
        async def add(self, item: str) -> int:  # type: ignore[override]
            return 1

        async def get_all(self) -> dict[str, int]:
            return {}

    return Carts


def other_result() -> Any:
    class Carts(Cart):
        async def add(self, item: Item) -> str:  # type: ignore[override]
            return ""

        async def get_all(self) -> dict[str, int]:
            return {}

    return Carts


def other_kind() -> Any:
    class Carts(Cart):
        async def add(self, item: Item) -> int:
            return 1

        @perdure.handler(name="all")
        async def get_all(self) -> dict[str, int]:
            return {}

    return Carts


def other_name() -> Any:
    return perdure.Object("Carts", implements=Cart)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (missing_argument, "takes no argument for 'add'"),
        (other_argument, "takes another type for 'add'"),
        (other_result, "returns another type from 'add'"),
        (other_kind, "has 'all' as exclusive, its interface as shared"),
        (other_name, "implements 'Cart', so it has that name"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, said: str) -> None:
    with pytest.raises(BadDefinition, match=said):
        definition_of(make())


def test_iface_is_for_classes_of_services() -> None:
    with pytest.raises(BadDefinition, match="@iface is for classes of services"):
        perdure.iface(dict)
