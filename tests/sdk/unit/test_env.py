"""`perdure.testing.Env`: the engine in memory, under a clock that skips."""

import asyncio
import gc
import json
import os
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

import perdure
from perdure.recorded import read_journals
from perdure.testing import Env
from tests.sdk import served_app as services

DAY = timedelta(days=1)
work = perdure.Service("Work")
shelf = perdure.Object("Shelf")


class Typed(perdure.Object):
    """State with types."""

    since: datetime = perdure.state(default=datetime.min)

    @perdure.handler
    async def begin(self) -> None:
        self.since = await self.ctx.now()


tries: list[str] = []


async def flaky(name: str) -> str:
    tries.append(name)
    if len(tries) < 3:
        raise OSError("not yet")
    return f"{name} done"


async def sends_mail(to: str, *, subject: str) -> str:
    raise AssertionError("a test must not send mail")


def charges(cents: int) -> str:
    raise AssertionError("a test must not charge")


@work.handler
async def naps(ctx: perdure.Context, days: list[int]) -> list[str]:
    """The time after each nap."""
    seen = []
    for count in days:
        await ctx.sleep(count * DAY)
        seen.append((await ctx.now()).isoformat())
    return seen


@work.handler
async def tried(ctx: perdure.Context, name: str) -> str:
    return await ctx.step(flaky, name)


@work.handler
async def backs_off(ctx: perdure.Context) -> str:
    slowly = perdure.Retry(initial=timedelta(hours=2), max_interval=DAY)
    return await ctx.step(flaky, "slow", retry=slowly)


@work.handler
async def mails(ctx: perdure.Context, to: str) -> list[str]:
    return [await ctx.step(sends_mail, to, subject="hello"), await ctx.step(charges, 7)]


@shelf.handler
async def put(ctx: perdure.ObjectContext, name: str) -> int:
    count = await ctx.get("count", int, 0) + 1
    ctx.set("count", count)
    ctx.set("last", name)
    return count


@shelf.handler
async def later(ctx: perdure.ObjectContext, name: str) -> None:
    await ctx.send(put, name, key=ctx.key, delay=3 * DAY)


@shelf.handler
async def ordered(ctx: perdure.ObjectContext, order: dict[str, int]) -> None:
    """Of a record: the key is that of the object."""
    count = await ctx.get("count", int, 0) + order["count"]
    ctx.set("count", count)
    await ctx.kafka.send("totals", {"total": count}, key=ctx.key)


app = perdure.app(work, shelf, Typed)


def run(test: Callable[[Env], Awaitable[None]], **options: object) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), Env(app, **options) as env:  # type: ignore[arg-type]
            await test(env)

    tries.clear()
    asyncio.run(main())


async def sign_up(env: Env) -> None:
    name = "ann"
    user = services.User(name, f"{name}@example.org")
    handle = await env.client.workflow(services.signup, name).submit(user)
    await env.skip(6 * DAY)
    assert await env.client.call(services.get_status, key=name) == "Verifying user"
    await env.client.call(services.click, services._mails[user.email], key=name)
    assert await handle.result() is True


def test_sign_up_with_a_click_six_days_later() -> None:
    async def main() -> None:
        async with Env(services.app) as env:
            await sign_up(env)
            state = await env.state(services.signup, "ann")
            assert state == {"onboarding_status": "Link clicked"}

    asyncio.run(main())


def test_sign_up_without_a_click() -> None:
    async def main() -> None:
        async with Env(services.app) as env:
            user = services.User("bob", "bob@example.org")
            handle = await env.client.workflow(services.signup, "bob").submit(user)
            await env.skip(6 * DAY)
            assert await handle.status() == "running"
            await env.skip(DAY)
            with pytest.raises(perdure.Terminal) as failed:
                await handle.result()
            assert failed.value.code == 408

    asyncio.run(main())


def test_many_environments_leave_nothing_behind() -> None:
    async def once() -> None:
        async with Env(services.app) as env:
            await sign_up(env)

    async def main() -> None:
        for _ in range(3):
            await once()
        gc.collect()
        before = (len(gc.get_objects()), len(os.listdir("/proc/self/fd")))
        for _ in range(30):
            await once()
        gc.collect()
        assert len(asyncio.all_tasks()) == 1
        assert len(gc.get_objects()) <= before[0] + 100
        assert len(os.listdir("/proc/self/fd")) <= before[1]

    threads = threading.active_count()
    asyncio.run(main())
    assert threading.active_count() <= threads


def test_what_is_due_happens_at_its_own_time() -> None:
    start = datetime(2030, 1, 1, tzinfo=UTC)

    def just_after(at: datetime, expected: datetime) -> bool:
        """Time also passes by itself, and more of it on a machine that is busy."""
        return timedelta(0) <= at - expected < timedelta(seconds=1)

    async def test(env: Env) -> None:
        assert just_after(env.now, start)
        handle = await env.client.send(naps, [1, 2, 30])
        await env.skip(10 * DAY)
        assert await handle.status() == "running" and just_after(env.now, start + 10 * DAY)
        await env.skip(23 * DAY + timedelta(hours=1))
        seen = [datetime.fromisoformat(one) for one in await handle.result()]
        for expected, at in zip((1, 3, 33), seen, strict=True):
            assert just_after(at, start + expected * DAY)

    run(test, start=start)


def test_delayed_sends_wait_for_their_time() -> None:
    async def test(env: Env) -> None:
        await env.client.call(later, "cup", key="k")
        await env.skip(2 * DAY)
        assert await env.state(shelf, "k") == {}
        await env.skip(DAY)
        assert await env.state("Shelf", "k") == {"count": 1, "last": "cup"}

    run(test)


def test_retries_wait_for_their_time() -> None:
    async def test(env: Env) -> None:
        assert await env.client.call(tried, "quick") == "quick done"
        assert tries == ["quick"] * 3
        tries.clear()
        handle = await env.client.send(backs_off)
        await env.skip()
        assert tries == ["slow"]
        await env.skip(timedelta(hours=2, seconds=1))
        assert tries == ["slow"] * 2
        await env.skip(timedelta(hours=4, seconds=1))
        assert await handle.result() == "slow done"

    run(test)


def test_results_expire() -> None:
    async def test(env: Env) -> None:
        handle = await env.client.send(tried, "kept", idempotency_key="one")
        await env.skip(timedelta(hours=23))
        assert await handle.output() == "kept done"
        await env.skip(timedelta(hours=2))
        assert await handle.status() == "unknown"

    run(test)


def test_a_crash_loses_nothing() -> None:
    async def test(env: Env) -> None:
        handle = await env.client.send(naps, [1, 2])
        await env.client.call(put, "cup", key="k")
        await env.crash()
        await env.skip(2 * DAY)
        await env.crash()
        calling = asyncio.ensure_future(env.client.call(put, "pot", key="k"))
        await asyncio.sleep(0)
        await env.crash()
        assert await calling == 2
        await env.skip(DAY)
        assert len(await handle.result()) == 2
        assert (await env.state(shelf, "k"))["count"] == 2

    run(test)


def test_steps_can_be_faked() -> None:
    async def faked(to: str, *, subject: str) -> str:
        return f"{subject} {to}"

    async def test(env: Env) -> None:
        env.patch(sends_mail, faked)
        with env.patch("charges", lambda cents: f"{cents} cents"):
            assert await env.client.call(mails, "ann") == ["hello ann", "7 cents"]
        env.patch(charges, lambda cents: "free")
        assert await env.client.call(mails, "bob") == ["hello bob", "free"]

    run(test)


@pytest.mark.parametrize("always_replay", [False, True])
def test_always_replay(always_replay: bool) -> None:
    async def test(env: Env) -> None:
        assert env.always_replay is always_replay
        assert await env.client.call("Greeter/steps", 3) == [1, 1, 1, 1, 1, 1]
        attempts.clear()
        assert await env.client.call("Greeter/steps", 3) == [1, 1, 1, 1, 1, 1]
        assert (attempts.count("/invoke/Greeter/steps") > 3) is always_replay

    attempts: list[str] = []

    async def main() -> None:
        async with Env(services.app, always_replay=always_replay) as env:
            opened = env.engine._apps.get("app").open  # type: ignore[union-attr]

            def counted(path: bytes, *args: object) -> object:
                attempts.append(path.decode())
                return opened(path, *args)  # type: ignore[arg-type]

            env.engine._apps.get("app").open = counted  # type: ignore
            await test(env)

    asyncio.run(main())


def test_declared_state_has_its_type() -> None:
    async def test(env: Env) -> None:
        await env.client.call(Typed.begin, key="k")
        assert (await env.state(Typed, "k"))["since"].tzinfo is not None

    run(test)


def test_plain_tests_need_no_coroutine() -> None:
    tries.clear()
    with Env(app) as env:
        began = env.now
        assert env.client.call(put, "cup", key="k") == 1
        handle = env.client.send(naps, [5])
        env.skip(4 * DAY)
        assert handle.status() == "running"
        env.crash()
        env.skip(DAY)
        assert len(handle.result()) == 1
        assert env.state(shelf, "k") == {"count": 1, "last": "cup"}
        assert env.now - began >= 5 * DAY
        env.subscribe("orders", ordered)
        env.topic("orders").produce({"count": 2}, key="eve")
        (total,) = env.topic("totals").consume()
        assert total.key == b"eve" and total.json() == {"total": 2}


def test_cancel_goes_without_an_admin_api() -> None:
    async def test(env: Env) -> None:
        handle = await env.client.send(naps, [5])
        await env.skip(DAY)
        await handle.cancel()
        with pytest.raises(perdure.Terminal, match="cancelled"):
            await handle.result()

    run(test)


def test_journals_can_be_looked_at() -> None:
    async def test(env: Env) -> None:
        handle = await env.client.send(tried, "seen")
        await env.skip(timedelta(minutes=1))
        kinds = [entry["type"] for entry in await env.journal(handle)]
        assert kinds == ["Command: Input", "Command: Run", "Notification: Run", "Command: Output"]
        document = await env.export(handle.id)
        assert document["target"] == "Work/tried" and document["status"] == "completed"
        (journal,) = read_journals(json.dumps(document))
        assert journal.service == "Work"
        with pytest.raises(LookupError):
            await env.journal("inv_1aQpWKdR0ulB5WvcAgbKBdFwu6k3xGlWRW")

    run(test)


def test_a_failure_shows_the_journals() -> None:
    with pytest.raises(AssertionError) as failed, Env(app) as env:
        env.client.call(put, "cup", key="k")
        env.client.send(naps, [5])
        env.skip()
        raise AssertionError("no")
    (note,) = failed.value.__notes__
    lines = note.splitlines()
    assert any(line.startswith("Shelf/k/put completed (inv_") for line in lines)
    assert any(line.startswith("Work/naps ") for line in lines)
    assert any("SetState" in line and '"cup"' in line for line in lines)
    assert any("Sleep" in line for line in lines)


@pytest.mark.parametrize("crashes", [False, True])
def test_topics_in_memory(crashes: bool) -> None:
    async def test(env: Env) -> None:
        orders = env.topic("orders", partitions=3)
        await orders.produce({"count": 1}, key="ann")
        await env.subscribe("orders", ordered)
        for number in range(2, 5):
            await orders.produce({"count": number}, key="ann")
            if crashes:
                await env.crash()
        await orders.produce({"count": 7}, key="bob", headers={"x": "y"})
        totals = await env.topic("totals").consume()
        assert [one.json()["total"] for one in totals if one.key == b"ann"] == [1, 3, 6, 10]
        assert [one.json()["total"] for one in totals if one.key == b"bob"] == [7]
        assert await env.topic("totals").consume() == []
        assert (await env.state(shelf, "ann"))["count"] == 10

    run(test)


def test_nothing_that_is_on_its_way_waits_for_time_to_pass() -> None:
    """What is left after a skip waits about a second: housekeeping."""

    async def test(env: Env) -> None:
        await env.client.send(later, "cup", key="k")
        await env.client.send(put, "pot", key="k")
        await env.client.send(tried, "it")
        await env.skip(timedelta(milliseconds=100))
        clock = env.engine.clock
        assert clock is not None
        first_us = clock._first_us()
        assert first_us is None or first_us - clock._now_us >= 800_000

    run(test)
