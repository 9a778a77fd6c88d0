"""Attempts over HTTP/2 and in this process: one behaviour, with the SDK on the other side."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

import perdure
from orchestrator.exchanges.apps import SCHEME, Apps
from orchestrator.exchanges.asking import ServiceAsker
from orchestrator.exchanges.discovery import Discovery
from orchestrator.model.records import Failed, Suspended
from orchestrator.model.values import Failure
from orchestrator.registry.discovery import DiscoveryTarget
from orchestrator.registry.schema import RetryPolicy
from orchestrator.registry.snapshot import Defaults
from perdure.in_process import InProcessApp
from perdure.transports.server import Server
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.test_lifecycle import until
from tests.unit.invoker.worlds import run

QUICK = Defaults(retry=RetryPolicy(initial_interval_ms=10, max_interval_ms=20, max_attempts=3))
VALUE = "x" * 100_000
LARGE = "y" * 3_000_000


class Services:
    """What the tests of both ways call; `seen` is what happened in it."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.hold = asyncio.Event()
        service, obj = perdure.Service("Svc"), perdure.Object("Obj")

        @service.handler
        async def echo(ctx: perdure.Context, text: str) -> str:
            return text

        @service.handler
        async def steps(ctx: perdure.Context, count: int) -> list[int]:
            return [await ctx.step(self.counted, n) for n in range(count)]

        @service.handler
        async def large_steps(ctx: perdure.Context, count: int) -> int:
            """A journal of many windows, replayed once it was suspended."""
            sizes = [len(await ctx.step(self.large)) for _ in range(count)]
            await ctx.sleep(timedelta(milliseconds=50))
            return sum(sizes)

        @service.handler(inactivity_timeout=timedelta(milliseconds=60))
        async def sleeps(ctx: perdure.Context) -> str:
            await ctx.sleep(timedelta(milliseconds=400))
            return "slept"

        @service.handler
        async def waits(ctx: perdure.Context) -> None:
            try:
                await ctx.sleep(timedelta(hours=1))
            finally:
                self.seen.append("left")

        @service.handler(
            inactivity_timeout=timedelta(milliseconds=50), abort_timeout=timedelta(milliseconds=50)
        )
        async def hangs(ctx: perdure.Context) -> None:
            await ctx.step(self.never)

        @service.handler
        async def raises(ctx: perdure.Context) -> None:
            self.seen.append("tried")
            raise ValueError("no luck")

        @service.handler
        async def gives_up(ctx: perdure.Context) -> None:
            raise perdure.Terminal("no", 418)

        @obj.handler
        async def pours(ctx: perdure.ObjectContext, count: int) -> str:
            for _ in range(count):
                ctx.set("value", VALUE)
                await asyncio.sleep(0)
            return "poured"

        self.app = perdure.app(service, obj)

    async def counted(self, n: int) -> int:
        self.seen.append(str(n))
        return n

    async def large(self) -> str:
        return VALUE

    async def never(self) -> None:
        try:
            await self.hold.wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise


@asynccontextmanager
async def _over_http2(services: Services) -> AsyncIterator[Partition]:
    listening = socket.create_server(("127.0.0.1", 0))
    server = Server(services.app.endpoint, services.app.start)
    await server.listen(listening)
    partition = Partition(defaults=QUICK)
    target = DiscoveryTarget(f"http://127.0.0.1:{listening.getsockname()[1]}/")
    partition.register(
        target, await Discovery(ServiceAsker(partition.clock, None, "")).discover(target)
    )
    try:
        yield partition
    finally:
        await partition.invoker.close()
        await server.stop(0.2)


@asynccontextmanager
async def _in_process(services: Services) -> AsyncIterator[Partition]:
    apps = Apps()
    apps.put("app", InProcessApp(services.app.endpoint, services.app.start))
    partition = Partition(defaults=QUICK, apps=apps)
    target = DiscoveryTarget(f"{SCHEME}://app")
    discovery = Discovery(ServiceAsker(partition.clock, None, ""), apps)
    partition.register(target, await discovery.discover(target))
    try:
        yield partition
    finally:
        await partition.invoker.close()
        assert not apps.links, "an exchange was left behind"


WAYS = {"http2": _over_http2, "in process": _in_process}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Any:
    """Runs a test with services on one of the ways."""

    def run_test(test: Callable[[Partition, Services], Awaitable[None]]) -> None:
        async def main() -> None:
            services = Services()
            async with WAYS[request.param](services) as partition:
                await test(partition, services)

        run(main)

    return run_test


def test_arguments_and_results_of_any_size(way: Any) -> None:
    async def test(partition: Partition, _: Services) -> None:
        for text in ("", "ann", LARGE):
            body = b'"%s"' % text.encode()
            assert await partition.call("Svc", "echo", body) == body

    way(test)


def test_steps_are_executed_once(way: Any) -> None:
    async def test(partition: Partition, services: Services) -> None:
        assert await partition.call("Svc", "steps", b"5") == b"[0,1,2,3,4]"
        assert services.seen == ["0", "1", "2", "3", "4"]
        assert len(partition.begun) == 1

    way(test)


def test_what_is_inactive_is_suspended_and_goes_on(way: Any) -> None:
    async def test(partition: Partition, _: Services) -> None:
        assert await partition.call("Svc", "sleeps") == b'"slept"'
        assert any(isinstance(one.end, Suspended) for one in partition.journals)
        assert not partition.failures and len(partition.begun) == 2

    way(test)


def test_a_journal_of_many_windows_is_replayed(way: Any) -> None:
    async def test(partition: Partition, _: Services) -> None:
        pending = asyncio.ensure_future(partition.call("Svc", "large_steps", b"12"))
        await until(lambda: sum(len(one.frames) for one in partition.journals) > 1_200_000)
        partition.invoker.half_close_all()
        partition.invoker._closed = False  # it goes on
        assert await pending == b"1200000"
        assert not partition.failures and len(partition.begun) == 2

    way(test)


def test_what_is_broken_off_leaves_its_handler(way: Any) -> None:
    async def test(partition: Partition, services: Services) -> None:
        invocation_id = partition.submit("Svc", "waits")
        await until(lambda: partition.journals)
        incarnation = partition.row(invocation_id).incarnation
        partition.invoker.stop(invocation_id, incarnation, True)
        await until(lambda: services.seen)
        assert services.seen == ["left"]
        assert partition.invoker.running_count == 0 and not partition.failures

    way(test)


def test_what_is_half_closed_suspends(way: Any) -> None:
    async def test(partition: Partition, services: Services) -> None:
        invocation_id = partition.submit("Svc", "waits")
        await until(lambda: partition.journals)
        incarnation = partition.row(invocation_id).incarnation
        partition.invoker.stop(invocation_id, incarnation, False)
        await until(lambda: not partition.invoker.running_count)
        assert isinstance(partition.journals[-1].end, Suspended) and services.seen == ["left"]

    way(test)


def test_what_does_not_suspend_is_cut_off(way: Any) -> None:
    async def test(partition: Partition, services: Services) -> None:
        partition.submit("Svc", "hangs")
        await until(lambda: partition.failures)
        why = partition.failures[0].why
        assert "neither suspended nor said anything for 50 ms" in why.message
        await until(lambda: services.seen)
        assert services.seen[0] == "cancelled"

    way(test)


def test_failures_are_tried_again_and_outcomes_are_not(way: Any) -> None:
    async def test(partition: Partition, services: Services) -> None:
        refused = await partition.call("Svc", "gives_up")
        assert isinstance(refused, Failure)
        assert (refused.code, refused.message) == (418, "no") and not partition.failures
        partition.submit("Svc", "raises")
        await until(lambda: len(partition.failures) == 3)
        assert services.seen == ["tried"] * 3
        assert all("no luck" in one.why.message for one in partition.failures)

    way(test)


def test_a_handler_that_is_gone_is_refused(way: Any) -> None:
    async def test(partition: Partition, services: Services) -> None:
        del services.app.endpoint.services["Svc"].handlers["echo"]
        partition.submit("Svc", "echo", b'"ann"')
        await until(lambda: partition.failures)
        assert "HTTP status 404" in partition.failures[0].why.message

    way(test)


def test_a_service_that_is_held_back_says_no_more_than_a_window(way: Any) -> None:
    async def test(partition: Partition, _: Services) -> None:
        partition.invoker.hold_back(partition, True)
        pending = asyncio.ensure_future(partition.call("Obj", "pours", b"40", "k"))
        await asyncio.sleep(0.2)
        running = next(iter(partition.invoker._running.values()))
        taken = running.attempt._size_bytes + sum(len(one.frames) for one in partition.journals)
        assert taken <= 360_000
        partition.invoker.hold_back(partition, False)
        assert await pending == b'"poured"'
        assert not any(isinstance(one.end, Failed) for one in partition.journals)

    way(test)


def test_closing_the_invoker_ends_all_attempts(way: Any) -> None:
    async def test(partition: Partition, services: Services) -> None:
        for _ in range(5):
            partition.submit("Svc", "waits")
        await until(lambda: len(partition.journals) >= 5)
        await partition.invoker.close()
        await until(lambda: len(services.seen) == 5)
        assert services.seen == ["left"] * 5 and not partition.failures

    way(test)
