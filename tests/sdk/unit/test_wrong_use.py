"""What a handler does wrong is told with its line: in `async def` and plain handlers, of services,
objects and workflows."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import perdure
from perdure.testing import Env

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings("ignore::perdure.MisuseWarning")]


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


class Odd:
    """A value without JSON."""


async def one() -> int:
    return 1


target = perdure.Service("Target")
keyed = perdure.Object("Keyed")


@target.handler
async def add_one(ctx: perdure.Context, n: int) -> int:
    return n + 1


@target.handler
async def nothing(ctx: perdure.Context) -> None:
    return None


@keyed.handler
async def of_a_key(ctx: perdure.ObjectContext) -> None:
    return None


kept: dict[str, Any] = {}


async def in_thread(ctx: Any) -> None:
    await asyncio.to_thread(lambda: ctx.uuid())


async def waits_twice(ctx: Any) -> None:
    future = ctx.step(one)
    await future
    await future


async def uses_another(ctx: Any) -> None:
    await kept["ctx"].step(one)


async def awaits_anothers(ctx: Any) -> None:
    await kept["future"]


async def uses_in_step(ctx: Any) -> None:
    async def step() -> None:
        await ctx.step(one)

    await ctx.step(step)


async def returns_odd(ctx: Any) -> Any:
    return Odd()


async def forgets_await(ctx: Any) -> Any:
    return ctx.step(one)


async def odd_step(ctx: Any) -> Any:
    await ctx.step(lambda: Odd(), name="odd")


# (what is done, what is said)
ASYNC: list[tuple[Callable[..., Any], str]] = [
    (returns_odd, "returns_odd cannot be encoded: Odd has no JSON"),
    (forgets_await, "is an await missing?"),
    (odd_step, "the result of step 'odd' cannot be encoded: Odd has no JSON"),
    (waits_twice, "this future was awaited before"),
    (uses_another, "used outside its handler, whose attempt is over"),
    (awaits_anothers, "outside the handler that it belongs to"),
    (uses_in_step, "the context is used inside a step"),
    (in_thread, "used by a thread or callback"),
    (lambda ctx: ctx.step(one()), "a step is a function and its arguments, not <coroutine"),
    (lambda ctx: ctx.step(Odd), "Odd has no JSON: make it a dataclass"),
    (lambda ctx: ctx.step(5), "a step is a function and its arguments, not 5"),
    (lambda ctx: ctx.gather(one()), "'coroutine' is no durable future"),
    (lambda ctx: ctx.gather([]), "'list' is no durable future"),
    (lambda ctx: ctx.race(), "at least one future"),
    (lambda ctx: ctx.sleep(5), "5 is no duration"),
    (lambda ctx: ctx.send(nothing, delay=5), "5 is no duration"),
    (lambda ctx: ctx.step(one).timeout(5), "5 is no duration"),
    (lambda ctx: ctx.call("nobody"), "'nobody' names no handler"),
    (lambda ctx: ctx.call(one), "one is no handler"),
    (lambda ctx: ctx.call(of_a_key), "Keyed needs a key"),
    (lambda ctx: ctx.call(of_a_key, key=5), "a key is text, not 5"),
    (lambda ctx: ctx.call(nothing, key="k"), "Target has no keys"),
    (lambda ctx: ctx.call(nothing, 5), "Target/nothing takes no argument, but 5 is given"),
    (lambda ctx: ctx.call(nothing, headers={"a": 1}), "headers are text, not 'a': 1"),
    (lambda ctx: ctx.call(add_one, Odd()), "cannot be encoded: Odd has no JSON"),
    (lambda ctx: ctx.awakeable(int).result(), "result() waits only in plain def handlers"),
    (lambda ctx: ctx.step(one, retry=5), "retry is a Retry(...), not 5"),
    (lambda ctx: ctx.step(one, name=5), "5 is no text"),
    (lambda ctx: ctx.signal(5), "a signal is named by text, not by 5"),
    (lambda ctx: ctx.signal("\ud800"), "a signal is named by text"),
    (lambda ctx: ctx.invocation(ctx.id).signal(17, 1), "a signal is named by text, not by 17"),
    (lambda ctx: ctx.call(nothing, headers=[("a", "b")]), "headers are a mapping of text"),
    (lambda ctx: ctx.send(nothing, idempotency_key=""), "text that is not empty, not ''"),
    (lambda ctx: ctx.kafka.send(5, "v"), "a topic is named by text, not by 5"),
    (lambda ctx: ctx.reject_awakeable("sign_1", "no", "gone"), "is a number, not 'gone'"),
    (lambda ctx: raises(perdure.Terminal("no", "400")), "is a number, not '400'"),  # type: ignore[arg-type]
    (lambda ctx: raises(perdure.RetryAfter(5)), "takes a datetime.timedelta, not 5"),  # type: ignore[arg-type]
]


def raises(error: Exception) -> None:
    raise error


def in_own_thread(ctx: Any) -> None:
    raised: list[BaseException] = []

    def work() -> None:
        try:
            ctx.step(one)
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    raise raised[0]


def waits_twice_in_place(ctx: Any) -> None:
    future = ctx.futures.step(one)
    future.result()
    future.result()


PLAIN: list[tuple[Callable[..., Any], str]] = [
    (lambda ctx: Odd(), "cannot be encoded: Odd has no JSON"),
    (lambda ctx: ctx.futures.step(one), "is an await missing?"),
    (lambda ctx: one(), "is an await missing?"),
    (lambda ctx: ctx.step(lambda: Odd(), name="odd"), "the result of step 'odd' cannot be encoded"),
    (waits_twice_in_place, "this future was awaited before"),
    (lambda ctx: kept["ctx"].step(one), "used outside its handler, whose attempt is over"),
    (lambda ctx: kept["future"].result(), "belongs to another handler, or to an earlier attempt"),
    (lambda ctx: ctx.step(lambda: ctx.step(one)), "the context is used inside a step"),
    (in_own_thread, "the context is used inside a step, or in a thread"),
    (lambda ctx: ctx.step(one()), "a step is a function and its arguments, not <coroutine"),
    (lambda ctx: ctx.gather(ctx.step(one)), "'int' is no durable future"),
    (lambda ctx: ctx.sleep(5), "5 is no duration"),
    (lambda ctx: ctx.call("nobody"), "'nobody' names no handler"),
    (lambda ctx: ctx.call(of_a_key), "Keyed needs a key"),
    (lambda ctx: ctx.call(nothing, 5), "Target/nothing takes no argument, but 5 is given"),
    (lambda ctx: ctx.call(add_one, Odd()), "cannot be encoded: Odd has no JSON"),
]

ONCE = perdure.Retry(max_attempts=1, on_exhausted="kill")
KINDS = ("service", "object", "workflow")


def _served(kind: str, wrong: Callable[..., Any], plain: bool) -> Any:
    """A handler of a kind of service that does it."""
    made: Any = {
        "service": perdure.Service,
        "object": perdure.Object,
        "workflow": perdure.Workflow,
    }[kind]("Wrong", retry=ONCE)

    async def act(ctx: Any) -> Any:
        result = wrong(ctx)
        if hasattr(result, "__await__"):
            return await result
        return result

    def keep(ctx: Any) -> None:
        kept["ctx"] = ctx
        kept["future"] = (ctx.futures if plain else ctx).sleep(timedelta(days=1))

    def act_in_place(ctx: Any) -> Any:
        return wrong(ctx)

    async def keep_async(ctx: Any) -> None:
        keep(ctx)

    act.__name__ = act_in_place.__name__ = getattr(wrong, "__name__", "").strip("<>")
    made.handler(name="keep")(keep if plain else keep_async)
    (made.run if kind == "workflow" else made.handler)(act_in_place if plain else act)
    return made


async def _said(kind: str, wrong: Callable[..., Any], plain: bool) -> str:
    service = _served(kind, wrong, plain)
    async with Env(perdure.app(service, target, keyed)) as env:
        name = next(one for one in service._definition.handlers if one != "keep")
        key: dict[str, Any] = {} if kind == "service" else {"key": "k"}
        if "kept" in wrong.__code__.co_names:
            await env.client.call("Wrong/keep", **key)
        with pytest.raises(perdure.Terminal) as failed:
            await env.client.call(f"Wrong/{name}", **key)
    return failed.value.message


# What ends an invocation for good names the handler, or the step, and not a line.
OUTCOMES = ("cannot be encoded: Odd has no JSON - at `$`", "is an await missing?")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("wrong", "said"), ASYNC, ids=[said for _, said in ASYNC])
async def test_in_an_async_handler(kind: str, wrong: Callable[..., Any], said: str) -> None:
    message = await _said(kind, wrong, plain=False)
    assert said in message
    assert __file__ in message or message.endswith(OUTCOMES)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("wrong", "said"), PLAIN, ids=[said for _, said in PLAIN])
async def test_in_a_plain_handler(kind: str, wrong: Callable[..., Any], said: str) -> None:
    message = await _said(kind, wrong, plain=True)
    assert said in message
    assert __file__ in message or message.endswith(OUTCOMES)


@pytest.mark.parametrize(
    ("kind", "asked", "said"),
    [
        ("service", "set", "state is set by exclusive handlers"),
        ("service", "key", "objects and workflows have keys"),
        ("object", "promise", "promises belong to workflows"),
    ],
)
async def test_what_a_context_does_not_have(kind: str, asked: str, said: str) -> None:
    message = await _said(kind, lambda ctx: getattr(ctx, asked), plain=False)
    assert f"has no {asked!r}" in message
    assert said in message
