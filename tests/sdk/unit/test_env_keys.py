"""`perdure.testing.Env` by keys: a state to begin with, and what is known by a key is cancelled."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import perdure
from perdure.testing import Env
from tests.sdk import served_app as services

DAY = timedelta(days=1)
NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
work = perdure.Service("Work")
shelf = perdure.Object("Shelf")


@work.handler
async def naps(ctx: perdure.Context) -> None:
    await ctx.sleep(5 * DAY)


@shelf.handler
async def put(ctx: perdure.ObjectContext, waits: bool) -> int:
    count = await ctx.get("count", int, 0) + 1
    ctx.set("count", count)
    if waits:
        await ctx.sleep(DAY)
    return count


class Typed(perdure.Object):
    since: datetime = perdure.state(default=datetime.min)

    @perdure.shared
    async def year(self) -> int:
        return self.since.year


app = perdure.app(work, shelf, Typed)


def test_a_test_may_begin_with_a_state() -> None:
    async def main() -> None:
        async with Env(app) as env:
            await env.set_state(shelf, "k", {"count": 6, "raw": b"7"})
            assert await env.state(shelf, "k") == {"count": 6, "raw": 7}
            assert await env.client.call(put, False, key="k") == 7
            await env.set_state("Shelf", "k", {"count": 1})  # in place of all of it
            assert await env.state(shelf, "k") == {"count": 1}
            await env.set_state(Typed, "k", {"since": NEW_YEAR})
            assert await env.client.call(Typed.year, key="k") == 2030
            assert await env.state(Typed, "k") == {"since": NEW_YEAR}
            # While an exclusive handler runs, its state is its own.
            handle = await env.client.send(put, True, key="k")
            await env.skip()
            await env.set_state(shelf, "k", {"count": 9})
            assert await env.state(shelf, "k") == {"count": 2}
            await env.skip(DAY)
            assert await handle == 2 and await env.state(shelf, "k") == {"count": 9}

    asyncio.run(main())
    with Env(services.app) as plain:
        plain.set_state(services.signup, "ann", {"onboarding_status": "Created user"})
        assert plain.client.call(services.get_status, key="ann") == "Created user"


WRONG: list[tuple[Any, Any, dict[str, Any], str]] = [
    (work, "k", {}, "'Work' is a service, which has no state"),
    ("Nobody", "k", {}, "the app serves no 'Nobody': Work, Shelf, Typed"),
    (shelf, 5, {}, "a key is text, not 5"),
]


def test_what_has_no_state_is_said() -> None:
    with Env(app) as env:
        for service, key, values, said in WRONG:
            with pytest.raises(perdure.Misuse, match=said):
                env.set_state(service, key, values)
            with pytest.raises(perdure.Misuse, match=said):
                env.state(service, key)
        for service in (shelf, Typed):
            with pytest.raises(perdure.BadValue, match="cannot be encoded"):
                env.set_state(service, "k", {"since": object()})


def test_what_is_known_by_a_key_is_cancelled() -> None:
    async def main() -> None:
        async with Env(app) as env:
            handle = await env.client.send(naps, idempotency_key="one")
            known = env.client.invocation_of(naps, idempotency_key="one")
            assert (await known.lookup()).id == handle.id
            await env.skip(DAY)
            await known.cancel()
            with pytest.raises(perdure.Terminal, match="cancelled"):
                await handle.result()
            held = await env.client.send(put, True, key="k", idempotency_key="two")
            keyed = env.client.invocation_of("Shelf/put", key="k", idempotency_key="two")
            assert (await keyed.lookup()).id == held.id

    asyncio.run(main())
    with Env(services.app) as env:
        workflow = env.client.workflow(services.signup, "ann")
        assert workflow.status() == "unknown"
        handle = workflow.submit(services.User("ann", "ann@example.org"))
        env.skip(DAY)
        assert workflow.status() == "running" and workflow.lookup().id == handle.id
        workflow.cancel()
        with pytest.raises(perdure.Terminal, match="cancelled"):
            workflow.attach()
        assert workflow.status() == "failed"
