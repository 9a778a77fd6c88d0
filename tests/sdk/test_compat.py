"""`perdure.compat`: restate-sdk's own tests with only their imports changed, and what they skip."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import perdure
import perdure.compat as restate
import perdure.testing
from perdure.compat._preview import explicit_recovery
from perdure.compat.entry_codec import JournalValueCodec
from perdure.compat.exceptions import RetryableError
from perdure.compat.extensions import current_context
from perdure.compat.server_context import (
    clear_extension_data,
    get_extension_data,
    set_extension_data,
)
from tests.parts import python_services
from tests.parts.compat_services import with_our_imports
from tests.parts.needed import needed

# What of its tests says something of its users; the others are about its own inside, or its cloud.
THEIRS = {
    "duplicate_handlers.py": 3,
    "ext.py": 2,
    "harness.py": 5,
    "serde.py": 1,
    "server.py": 1,
    "servercontext.py": 7,
}

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.timeout(300)
def test_their_own_tests_pass(tmp_path: Path) -> None:
    services = needed("restate-sdk's sources", python_services.sources)
    origin = next(services.parent.glob("restate_sdk-*/tests"))
    for name in THEIRS:
        (tmp_path / name).write_text(with_our_imports((origin / name).read_text()))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *THEIRS]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    assert done.returncode == 0, done.stdout[-5000:]
    assert f"{sum(THEIRS.values())} passed" in done.stdout


class Flipped(JournalValueCodec):
    """Every value travels with its bits flipped, and is never empty."""

    def encode(self, buf: bytes) -> bytes:
        return b"!" + bytes(255 - one for one in buf)

    async def decode(self, buf: bytes) -> bytes:
        if not buf.startswith(b"!"):
            raise ValueError("not flipped")
        return bytes(255 - one for one in buf[1:])


keeper = restate.VirtualObject("Keeper")
made: list[int] = []


async def make_codec() -> JournalValueCodec:
    made.append(1)
    return Flipped()


@keeper.handler()
async def exercise(ctx: restate.ObjectContext, name: str) -> dict[str, object]:
    ctx.set("who", name)
    stored = await ctx.get("who", type_hint=str)
    ran = await ctx.run_typed("upper", lambda: name.upper())
    awakeable_id, awakeable = ctx.awakeable(type_hint=str)
    ctx.resolve_awakeable(awakeable_id, "woken")
    called = await ctx.object_call(twice, key="other", arg=4)
    raw = await ctx.generic_call("Keeper", "twice", b"5", "another")
    return {"all": [stored, ran, await awakeable, called, raw.decode()]}


@keeper.handler()
async def twice(ctx: restate.ObjectContext, number: int) -> int:
    return 2 * number


@keeper.handler(kind="shared")
async def tell(ctx: restate.ObjectSharedContext) -> str | None:
    assert current_context() is ctx
    return await ctx.get("who", type_hint=str)


async def test_values_pass_through_a_codec() -> None:
    app = restate.app([keeper], journal_value_codec=make_codec)
    async with restate.create_test_harness(app, journal_value_codec=Flipped()) as harness:
        result = await harness.client.object_call(exercise, key="k", arg="ann")
        assert result == {"all": ["ann", "ANN", "woken", 8, "10"]}
        assert await harness.client.object_call(tell, key="k", arg=None) == "ann"
        assert made == [1]
        async with restate.create_client(harness.ingress_url) as without:
            with pytest.raises(restate.HttpError) as caught:
                await without.object_call(twice, key="k", arg=1)
    assert caught.value.status_code == 400
    assert "not flipped" in str(caught.value.body)


tries = restate.Service("Tries")
attempts: dict[str, int] = {}


def attempt(name: str) -> int:
    attempts[name] = attempts.get(name, 0) + 1
    return attempts[name]


@tries.handler()
async def asks_for_its_delay(ctx: restate.Context, name: str) -> int:
    if attempt(name) == 1:
        raise ValueError("in between") from RetryableError("soon", retry_after=timedelta(0))
    return attempts[name]


@tries.handler()
async def waits_twice(ctx: restate.Context) -> list[object]:
    """A future that is awaited again, after it was in a combinator, gives its result again."""
    first, second = ctx.sleep(timedelta(milliseconds=5)), ctx.run_typed("step", lambda: 3)
    same = await restate.gather(first, second)
    name, value = await restate.select(first=first)
    order = [one async for one in restate.as_completed(first, second)]
    done, waiting = await restate.wait_completed(second, ctx.awakeable()[1])
    return [
        same == [first, second],
        [name, value],
        len(order),
        [len(done), len(waiting)],
        await second,
        await second,
    ]


@tries.handler()
async def fails_in_a_step(ctx: restate.Context) -> list[object]:
    def step() -> int:
        raise restate.TerminalError("no luck", 418)

    try:
        await ctx.run_typed("step", step)
    except restate.TerminalError as error:
        return [error.message, error.status_code]
    return []


async def test_retries_errors_and_futures() -> None:
    app = restate.app([tries])
    async with restate.create_test_harness(app, always_replay=True) as harness:
        client = harness.client
        assert await client.service_call(asks_for_its_delay, arg="a") == 2
        result = await client.service_call(waits_twice, arg=None)
        assert result == [True, ["first", None], 2, [1, 1], 3, 3]
        assert await client.service_call(fails_in_a_step, arg=None) == ["no luck", 418]


async def test_handlers_of_both_kinds_of_names_call_each_other() -> None:
    ours = perdure.Service("Ours")

    @ours.handler
    async def double(ctx: perdure.Context, number: int) -> int:
        return int(await ctx.call(twice, number, key="k"))

    theirs = restate.Service("Theirs")

    @theirs.handler()
    async def quadruple(ctx: restate.Context, number: int) -> int:
        return 2 * int(await ctx.service_call(double, arg=number))

    found = [keeper.definition, ours, theirs.definition]
    async with perdure.testing.Env(perdure.app(*found)) as env:
        assert await env.client.call(quadruple, 3) == 12


seen: list[Any] = []
stock = explicit_recovery(restate.VirtualObject("Stock"))
checkout = restate.Service("Checkout")


@stock.handler()
async def take(ctx: restate.ObjectContext) -> list[int]:
    """Fails twice, each time after all that it does."""
    taken = await ctx.get("taken", type_hint=int) or 0
    ctx.set("taken", taken + 1)
    attempt = await ctx.run_typed("count", lambda: seen.append("step") or seen.count("step"))
    key = f"{ctx.request().id}-receipt"
    receipt = await ctx.service_call(write_receipt, arg=1, idempotency_key=key)
    await ctx.sleep(timedelta(milliseconds=1))
    if attempt < 3:
        raise ValueError("again")
    return [taken, attempt, receipt]


@checkout.handler()
async def write_receipt(ctx: restate.Context, number: int) -> int:
    seen.append("receipt")
    return number


@explicit_recovery
@checkout.handler()
async def takes_a_signal(ctx: restate.Context) -> str:
    seen.append("attempt")
    await ctx.run_typed("begin", lambda: None)
    word: str = await ctx.signal("word", type_hint=str)
    if seen.count("attempt") < 2:
        raise ValueError("again")
    return word


@checkout.handler()
async def says(ctx: restate.Context, invocation_id: str) -> None:
    ctx.resolve_signal(invocation_id, "word", "go")


async def test_with_explicit_recovery_attempts_begin_anew() -> None:
    seen.clear()
    async with restate.create_test_harness(restate.app([stock, checkout])) as harness:
        client = harness.client
        assert await client.object_call(take, key="a", arg=None) == [2, 3, 1]
        assert seen.count("receipt") == 1
        sent = await client.service_send(takes_a_signal, arg=None)
        await client.service_call(says, arg=sent.invocation_id)
        again = await client.service_call(awaits, arg=sent.invocation_id)
        assert again == "go"
        assert seen.count("attempt") == 2


@checkout.handler()
async def awaits(ctx: restate.Context, invocation_id: str) -> str:
    found: str = await ctx.attach_invocation(invocation_id, type_hint=str)
    return found


def test_explicit_recovery_is_for_handlers() -> None:
    with pytest.raises(perdure.Misuse, match="is no handler"):
        explicit_recovery(test_every_name_of_theirs_is_there)


def test_every_name_of_theirs_is_there() -> None:
    theirs = pytest.importorskip("restate")
    assert set(theirs.__all__) <= set(restate.__all__)


async def test_there_is_no_tunnel_to_their_cloud() -> None:
    with pytest.raises(restate.ConnectError, match="register its address"):
        await restate.connect(None)
    with pytest.raises(restate.ConnectError):
        async with restate.with_connection(None):
            pass


def test_the_older_harness() -> None:
    greeter = restate.Service("Greeter")
    closed: list[str] = []

    class Kept:
        async def __close__(self) -> None:
            closed.append("kept")

    @greeter.handler()
    async def greet(ctx: restate.Context, name: str) -> str:
        set_extension_data(ctx, "kept", Kept())
        set_extension_data(ctx, "other", 1)
        assert get_extension_data(ctx, "other") == 1
        clear_extension_data(ctx, "other")
        assert get_extension_data(ctx, "other") is None
        return f"Hello {name}"

    with (
        restate.test_harness(restate.app([greeter])) as harness,
        perdure.Client(harness.ingress_url) as client,
    ):
        assert client.call("Greeter/greet", "Ann") == "Hello Ann"
    assert closed == ["kept"]
