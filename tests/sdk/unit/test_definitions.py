"""Services are defined as functions and as classes; what cannot work is refused with its place."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from perdure.blocking import SyncContext
from perdure.context import Context
from perdure.definitions import HandlerRef, target_of
from perdure.errors import BadDefinition, Misuse
from perdure.marks import handler, run, shared
from perdure.retry import Retry
from perdure.serde import Serde
from perdure.service import Object, Service, Workflow, definition_of
from perdure.typed_state import state


@dataclass
class Item:
    sku: str
    count: int = 1


class FakeContext:
    """State as the runtime offers it."""

    def __init__(self, **stored: bytes) -> None:
        self.stored = dict(stored)
        self.sets: list[tuple[str, bytes]] = []

    def state_now(self, name: str, serde: Serde[Any]) -> Any:
        return serde.decode(self.stored[name])

    async def get(self, name: str, kind: type) -> bytes | None:
        assert kind is bytes
        return self.stored.get(name)

    def set(self, name: str, value: Any, serde: Serde[Any]) -> None:
        self.stored[name] = serde.encode(value)
        self.sets.append((name, value))

    def clear(self, name: str) -> None:
        del self.stored[name]


class Cart(Object, retry=Retry(max_attempts=3)):
    """A shopping cart."""

    items: dict[str, int] = state(default_factory=dict)
    owner: str | None = state(default=None, name="who")

    @handler
    async def add(self, item: Item) -> int:
        """Adds."""
        self.items[item.sku] = item.count
        return sum(self.items.values())

    @handler
    def rename(self, owner: str) -> None:
        self.owner = owner

    @shared(name="getItems")
    async def get_items(self) -> dict[str, int]:
        return self.items


def _call(name: str, ctx: FakeContext, *args: Any, service: Any = Cart) -> Any:
    definition = definition_of(service).handlers[name]
    result = definition.bind(ctx)(*args)
    return asyncio.run(result) if definition.is_async else result


def test_functions_are_handlers_and_targets() -> None:
    greeter = Service("Greeter", private=True)

    @greeter.handler
    async def greet(ctx: Any, item: Item) -> str | None:
        """Greets."""
        return f"{ctx} {item.sku}"

    @greeter.handler(name="other", inactivity_timeout=timedelta(seconds=1))
    def blocking(ctx: Any) -> None: ...

    definition = definition_of(greeter)
    assert list(definition.handlers) == ["greet", "other"]
    made = definition.handlers["greet"]
    assert made.is_async and made.takes_input and made.required and made.kind == "plain"
    assert made.input.decode(b'{"sku": "a"}') == Item("a")
    assert asyncio.run(made.bind("hello")(Item("a"))) == "hello a"
    assert not definition.handlers["other"].is_async
    ref = target_of(greet)
    assert isinstance(ref, HandlerRef) and (ref.service, ref.name) == ("Greeter", "greet")
    assert not ref.needs_key


def test_local_types_that_are_written_as_text_are_found() -> None:
    @dataclass
    class Local:
        x: int

    service = Service("S")

    @service.handler
    async def take(ctx: Any, one: "Local") -> "list[Local]":
        return [one]

    assert definition_of(service).handlers["take"].input.decode(b'{"x": 1}') == Local(1)


def test_a_default_makes_the_input_optional() -> None:
    service = Service("S")

    @service.handler
    async def take(ctx: Any, count: int = 7) -> int:
        return count

    made = definition_of(service).handlers["take"]
    assert not made.required
    assert made.input.decode(b"") == 7
    assert made.input.decode(b"3") == 3


def test_a_class_is_a_service_with_targets_and_options() -> None:
    definition = definition_of(Cart)
    assert definition.name == "Cart" and definition.kind == "object"
    assert definition.options.description == "A shopping cart."
    assert {name: one.kind for name, one in definition.handlers.items()} == {
        "add": "exclusive",
        "rename": "exclusive",
        "getItems": "shared",
    }
    ref = target_of(Cart.get_items)
    assert isinstance(ref, HandlerRef) and ref.name == "getItems" and ref.needs_key


def test_typed_state_is_loaded_and_what_changed_in_place_is_stored() -> None:
    ctx = FakeContext(items=b'{"a":2}')
    assert _call("add", ctx, Item("b", 3)) == 5
    assert ctx.stored["items"] == b'{"a":2,"b":3}'
    ctx = FakeContext()
    assert _call("add", ctx, Item("b", 3)) == 3
    assert ctx.stored == {"items": b'{"b":3}'}


def test_state_that_was_only_read_is_not_stored_again() -> None:
    ctx = FakeContext(items=b'{"a":2}')
    assert _call("getItems", ctx) == {"a": 2}
    assert ctx.sets == []


def test_typed_state_is_set_under_its_name_in_a_plain_handler() -> None:
    ctx = FakeContext()
    _call("rename", ctx, "ann")
    assert ctx.sets == [("who", b'"ann"')]


def test_state_is_loaded_before_a_handler_that_cannot_wait_for_an_attribute() -> None:
    class Lazy(Object):
        items: list[int] = state(default_factory=list)

        @handler
        async def total(self) -> int:
            return sum(self.items)

    class OnlyGet(FakeContext):
        state_now: Any = None

    assert _call("total", OnlyGet(items=b"[1,2]"), service=Lazy) == 3


def test_state_outside_a_handler_is_misuse() -> None:
    with pytest.raises(Misuse, match="only while a handler runs"):
        _ = object.__new__(Cart).items


def test_an_object_that_is_given_is_copied_for_each_attempt() -> None:
    class Mailer(Service):
        def __init__(self, sender: str) -> None:
            self.sender = sender

        @handler
        async def send(self, to: str) -> str:
            return f"{self.sender}>{to} {self.ctx}"

    with pytest.raises(BadDefinition, match="needs sender to be made"):
        definition_of(Mailer)
    given = Mailer("me")
    made = definition_of(given).handlers["send"]
    assert asyncio.run(made.bind("c1")("you")) == "me>you c1"
    assert "ctx" not in vars(given)


def test_inherited_handlers_are_targets_of_each_class() -> None:
    class Base(Object):
        @handler
        async def ping(self) -> str:
            return type(self).__name__

    class First(Base):
        pass

    class Second(Base):
        @handler
        async def more(self) -> None: ...

    for cls in (First, Second):
        ref = target_of(cls.ping)
        assert isinstance(ref, HandlerRef) and ref.service == cls.__name__
    assert list(definition_of(Second).handlers) == ["ping", "more"]
    assert _call("ping", FakeContext(), service=First) == "First"


def _two_arguments(ctx: Any, a: int, b: int) -> None: ...
def _as_a_method(self: Any, ctx: Context, a: int) -> None: ...
def _method(self: Any, ctx: "Context") -> None: ...
def _in_thread(self: Any, ctx: SyncContext) -> None: ...
def _nothing() -> None: ...
def _star(ctx: Any, *args: int) -> None: ...
def _keyword(ctx: Any, *, needed: int) -> None: ...
def _custom(ctx: Any, what: list[FakeContext]) -> None: ...
def _unknown(ctx: Any, what: "Nowhere") -> None: ...  # type: ignore[name-defined]  # noqa: F821
def _unread(ctx: Any, what: "asyncio.Nothing") -> None: ...  # type: ignore[name-defined]
async def _yields(ctx: Any) -> AsyncIterator[int]:
    yield 1


@pytest.mark.parametrize(
    ("fn", "said"),
    [
        (_two_arguments, "2 arguments besides the context; .* make it a dataclass"),
        (_as_a_method, r"2 arguments besides self, which has the context as self\.ctx"),
        (_method, r"has a context already: in a class it is self\.ctx"),
        (_in_thread, r"has a context already: in a class it is self\.ctx"),
        (_nothing, "its first parameter is the context"),
        (_star, "at most one argument"),
        (_keyword, "needs the keyword 'needed'"),
        (_custom, "FakeContext has no JSON"),
        (_unknown, "names nothing known"),
        (_unread, "annotation that cannot be read: module 'asyncio' has no attribute"),
        (_yields, "yields"),
    ],
)
def test_an_impossible_signature_names_its_line(fn: Callable[..., Any], said: str) -> None:
    with pytest.raises(BadDefinition, match=said) as caught:
        Service("S").handler(fn)
    assert caught.value.file == __file__
    assert caught.value.line == fn.__code__.co_firstlineno


def test_names_are_checked() -> None:
    for name in ("1st", "a b", "restateX", "openapi", "", "a/b"):
        with pytest.raises(BadDefinition):
            Service(name)
    with pytest.raises(BadDefinition, match="no name of a handler"):
        Service("S").handler(name="a-b")(lambda ctx: None)
    service = Service("S")
    service.handler(name="twice")(lambda ctx: None)
    with pytest.raises(BadDefinition, match="has a handler 'twice' already, at "):
        service.handler(name="twice")(lambda ctx: None)


def test_options_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadDefinition, match="lazy_state"):
        Service("S", lazy_state=True)
    with pytest.raises(BadDefinition, match="max_duration is for steps"):
        Service("S", retry=Retry(max_duration=timedelta(1)))
    with pytest.raises(BadDefinition, match="idempotency_retention"):
        Workflow("W").run(name="go", idempotency_retention=timedelta(1))(lambda ctx: None)
    with pytest.raises(BadDefinition, match="cannot be public"):
        service = Service("S", private=True)
        service.handler(name="h", private=False)(lambda ctx: None)
        definition_of(service)
    with pytest.raises(ValueError, match="at least 1"):
        Retry(max_attempts=0)


def test_a_service_that_is_not_whole_is_refused() -> None:
    with pytest.raises(BadDefinition, match="has no handlers"):
        definition_of(Service("S"))
    flow = Workflow("W")
    flow.handler(name="h")(lambda ctx: None)
    with pytest.raises(BadDefinition, match="one @run handler, and has 0"):
        definition_of(flow)
    with pytest.raises(BadDefinition, match="is no service"):
        definition_of(object())


def test_decorators_fit_the_kind_of_service() -> None:
    with pytest.raises(BadDefinition, match="@run is not for objects"):

        class Wrong(Object):
            @run
            async def go(self) -> None: ...

    with pytest.raises(BadDefinition, match="has no state"):

        class Stateful(Service):
            count: int = state(default=0)

    with pytest.raises(BadDefinition, match=r"'b' and state 'a' are both called 'n'.*\.py:"):

        class Shares(Object):
            a: int = state(default=0, name="n")
            b: str = state(default="", name="n")

    with pytest.raises(BadDefinition, match="two decorators"):

        class Twice(Object):
            @shared
            @handler
            async def go(self) -> None: ...
