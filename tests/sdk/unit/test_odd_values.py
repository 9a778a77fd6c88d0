"""Whatever a handler or a step raises or returns, its attempt ends, and says why."""

from __future__ import annotations

import asyncio
import functools
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import pytest

import perdure
from perdure.serde import serde_for, serde_for_result
from perdure.testing import Env

pytestmark = pytest.mark.anyio

ONCE = perdure.Retry(max_attempts=1, on_exhausted="kill")
SOON = timedelta(seconds=20)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Silent(Exception):
    """An error without text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")


def raises(error: BaseException) -> Any:
    raise error


HALF = "caf\udce9"  # as os.fsdecode gives it
ERRORS: list[tuple[Callable[[], Any], str]] = [
    (lambda: raises(ValueError(HALF)), "caf\\udce9"),
    (lambda: raises(Silent()), "its text cannot be made: RuntimeError"),
    (lambda: raises(perdure.Terminal(ValueError("no luck"))), "no luck"),  # type: ignore[arg-type]
    (lambda: raises(perdure.Terminal(HALF)), "caf\\udce9"),
    (lambda: raises(perdure.Terminal("x", -1)), "is no status: -1"),
    (lambda: raises(perdure.Terminal("numbered", 400, {"a": 1})), "numbered"),  # type: ignore[dict-item]
    (lambda: sys.exit(3), "SystemExit: 3"),
    (lambda: raises(ExceptionGroup("several", [perdure.Terminal("one of them")])), "one of them"),
    (lambda: raises(ExceptionGroup("several", [perdure.Terminal("a"), KeyError()])), "several"),
]


def in_handler(act: Callable[[], Any]) -> Any:
    async def handler(ctx: perdure.Context) -> None:
        act()

    return handler


def in_plain_handler(act: Callable[[], Any]) -> Any:
    def handler(ctx: perdure.SyncContext) -> None:
        act()

    return handler


def in_step(act: Callable[[], Any]) -> Any:
    async def step() -> None:
        act()

    async def handler(ctx: perdure.Context) -> None:
        await ctx.step(step, retry=perdure.Retry(max_attempts=1))

    return handler


def in_step_later(act: Callable[[], Any]) -> Any:
    async def step() -> None:
        await asyncio.sleep(0.001)
        act()

    async def handler(ctx: perdure.Context) -> None:
        await ctx.step(step)

    return handler


def in_plain_step(act: Callable[[], Any]) -> Any:
    def handler(ctx: perdure.SyncContext) -> None:
        ctx.step(act, name="act")

    return handler


async def failure_of(handler: Any) -> perdure.Terminal:
    service = perdure.Service("Odd", retry=ONCE)
    service.handler(name="handler")(handler)
    async with Env(perdure.app(service)) as env:
        with pytest.raises(perdure.Terminal) as failed:
            await env.client.call("Odd/handler", timeout=SOON)
    return failed.value


@pytest.mark.parametrize(
    "place", [in_handler, in_plain_handler, in_step, in_step_later, in_plain_step]
)
@pytest.mark.parametrize(("act", "said"), ERRORS, ids=[said for _, said in ERRORS])
async def test_any_error_ends_the_attempt(place: Any, act: Any, said: str) -> None:
    assert said.removeprefix("SystemExit: ") in (await failure_of(place(act))).message


@pytest.mark.parametrize("place", [in_handler, in_plain_handler, in_step])
async def test_a_long_error_is_shortened(place: Any, caplog: pytest.LogCaptureFixture) -> None:
    text = "begin" + "x" * 1_000_000 + "end"
    failed = await failure_of(place(lambda: raises(ValueError(text))))
    assert "begin" in failed.message
    assert len(failed.message) < 40_000
    assert all(len(one.getMessage()) < 70_000 for one in caplog.records)


class Broken:
    """A serde with a mistake in it."""

    content_type = "application/json"

    def encode(self, value: Any) -> bytes:
        raise KeyError("sku")

    def decode(self, data: bytes) -> Any:
        return None

    def schema(self) -> None:
        return None


class Texts(Broken):
    """Another one."""

    def encode(self, value: Any) -> Any:
        return "text"


@dataclass
class User:
    name: str
    age: int | None = None


# (annotation, what is returned, what is said)
RESULTS: list[tuple[Any, Any, str]] = [
    (int, "five", "does not fit its type: Expected `int`, got `str`"),
    (None, 5, "expected None, got int"),
    (list[int], ["a"], "Expected `int`, got `str` - at `$[0]`"),
    (User, User(None), "Expected `str`, got `null` - at `$.name`"),  # type: ignore[arg-type]
    (User, {"nam": "ann"}, "missing required field `name`"),
    (float, math.nan, "nan and infinity have no JSON - at `$`"),
    (Any, {"a": [1, math.inf]}, "nan and infinity have no JSON - at `$.a[1]`"),
    (Any, User("ann", math.nan), "nan and infinity have no JSON - at `$.age`"),  # type: ignore[arg-type]
    (Annotated[User, Broken()], User("ann"), "cannot be encoded: KeyError: 'sku'"),
    (Annotated[User, Texts()], User("ann"), "bytes"),
]


def returning(annotation: Any, value: Any) -> Any:
    def give(*_: Any) -> Any:
        return value

    give.__annotations__ = {"return": annotation}
    return give


@pytest.mark.parametrize(("annotation", "value", "said"), RESULTS, ids=[one[2] for one in RESULTS])
async def test_a_result_that_does_not_fit_is_told_where_it_comes_from(
    annotation: Any, value: Any, said: str
) -> None:
    give = returning(annotation, value)

    async def handler(ctx: perdure.Context) -> None:
        return give()  # type: ignore[no-any-return]

    async def steps(ctx: perdure.Context) -> None:
        await ctx.step(give)

    async def begins(ctx: perdure.Context) -> None:
        async def step() -> None:
            return give()  # type: ignore[no-any-return]

        step.__annotations__ = give.__annotations__
        await ctx.step(step)

    handler.__annotations__["return"] = annotation
    for one in (handler, steps, begins):
        failed = await failure_of(one)
        assert said in failed.message
        if said != "bytes":
            assert "Odd/handler" in failed.message or "step '" in failed.message


def test_a_result_that_fits_is_only_encoded() -> None:
    for annotation, value in (
        (float, 1),
        (list[int], (1, 2)),
        (User, {"name": "ann"}),
        (int | None, None),
        (dict[str, Any], {"a": None}),
    ):
        assert serde_for_result(annotation).encode(value) == serde_for(annotation).encode(value)


async def test_a_task_group_of_asyncio_ends_by_its_terminal_error() -> None:
    service = perdure.Service("Groups")
    undone: list[str] = []

    async def fails(ctx: perdure.Context) -> None:
        await ctx.sleep(timedelta(seconds=1))
        raise perdure.Terminal("sold out", 410)

    @service.handler
    async def books(ctx: perdure.Context) -> None:
        async with ctx.saga() as saga:
            saga.undo(functools.partial(undone.append, "hotel"), name="hotel")
            async with asyncio.TaskGroup() as group:
                group.create_task(fails(ctx))
                group.create_task(fails(ctx))

    class Counter(perdure.Object):
        count: int = perdure.state(default=0)

        @perdure.handler
        async def fail(self) -> None:
            self.count += 1
            raise ExceptionGroup("several", [perdure.Terminal("no")])

    async with Env(perdure.app(service, Counter)) as env:
        handle = await env.client.send(books)
        await env.skip(timedelta(seconds=2))
        with pytest.raises(perdure.Terminal, match="sold out") as failed:
            await handle.result(SOON)
        assert failed.value.code == 410
        assert undone == ["hotel"]
        with pytest.raises(perdure.Terminal, match="no"):
            await env.client.call(Counter.fail, key="a", timeout=SOON)
        assert await env.state(Counter, "a") == {"count": 1}


class Shelf(perdure.Object, retry=ONCE):
    count: int = perdure.state(default=0)
    names: list[str] = perdure.state(default_factory=list)

    @perdure.handler
    async def assign(self) -> None:
        self.count = "five"  # type: ignore[assignment]

    @perdure.handler
    async def change(self) -> None:
        self.names.append(5)  # type: ignore[arg-type]

    @perdure.handler
    async def write(self) -> None:
        self.ctx.set("count", "five", int)


@pytest.mark.parametrize("handler", [Shelf.assign, Shelf.change, Shelf.write])
async def test_state_that_does_not_fit_is_not_stored(handler: Any) -> None:
    async with Env(perdure.app(Shelf)) as env:
        with pytest.raises(perdure.Terminal, match="does not fit its type: Expected"):
            await env.client.call(handler, key="a", timeout=SOON)
        assert await env.state(Shelf, "a") == {}


class Code:
    def __init__(self, text: str) -> None:
        self.text = text


class Codes:
    content_type = "text/plain"

    def encode(self, value: Code) -> bytes:
        return value.text.encode()

    def decode(self, data: bytes) -> Code:
        return Code(data.decode())

    def schema(self) -> None:
        return None


Door = Annotated[Code, Codes()]


async def test_promises_are_resolved_as_their_type_says() -> None:
    flow = perdure.Workflow("Flow", retry=ONCE)

    @flow.run
    async def run(ctx: perdure.WorkflowContext) -> str:
        return (await ctx.promise("code", Door)).text

    @flow.handler
    async def give(ctx: perdure.WorkflowSharedContext, text: str) -> None:
        await ctx.promise("code", Door).resolve(Code(text))

    @flow.handler
    async def give_wrong(ctx: perdure.WorkflowSharedContext) -> None:
        await ctx.promise("number", int).resolve("text")

    async with Env(perdure.app(flow)) as env:
        handle = await env.client.workflow(flow, "a").submit()
        with pytest.raises(perdure.Terminal, match="does not fit its type: Expected `int`"):
            await env.client.call(give_wrong, key="a", timeout=SOON)
        await env.client.call(give, "1234", key="a", timeout=SOON)
        assert await handle.result(SOON) == "1234"


async def test_what_has_nothing_to_wait_for_may_be_awaited_or_not() -> None:
    keeper = perdure.Object("Keeper", retry=ONCE)

    @keeper.handler
    async def keep(ctx: perdure.ObjectContext, waits: bool) -> list[Any]:
        first, second = ctx.awakeable(str), ctx.awakeable(str)
        done = [
            ctx.set("a", 1),
            ctx.clear("a"),
            ctx.resolve_awakeable(first.id, "yes"),
            ctx.reject_awakeable(second.id, "no"),
            ctx.invocation(ctx.id).signal("word", "go"),
            ctx.invocation(ctx.id).reject_signal("other", "stop"),
            ctx.invocation("inv_1hj7fKU4eSTP52iIG9K2pd5BEILiubQYq3").cancel(),
            ctx.clear_all(),
        ]
        for one in done if waits else ():
            assert (await one) is None  # type: ignore[func-returns-value]
        settled = await ctx.all_settled(
            first, second, ctx.signal("word", str), ctx.signal("other", str)
        )
        return [one.value if one.ok else str(one.error) for one in settled]

    async with Env(perdure.app(keeper)) as env:
        for waits in (False, True):
            kept = await env.client.call(keep, waits, key="a", timeout=SOON)
            assert kept == ["yes", "no", "go", "stop"]
