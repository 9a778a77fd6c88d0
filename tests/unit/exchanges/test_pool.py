"""Connects that fail: pauses shared by all that wait, and an end to waiting."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from orchestrator.exchanges import pool as pool_module
from orchestrator.exchanges.backoff import FIRST_S, MAX_S, Backoff
from orchestrator.exchanges.dialing import Dialer, DialError
from orchestrator.exchanges.exchange import Exchange, HeaderLines
from orchestrator.exchanges.origin import Origin, parse_origin
from orchestrator.exchanges.pool import Pool
from tests.unit.invoker.scripted import ScriptedService, Served
from tests.unit.invoker.worlds import run

P = TypeVar("P", bound=asyncio.Protocol)
NOWHERE = parse_origin("http://127.0.0.1:9/")


class Refusing(Dialer):
    """Refuses at once, but for the first few."""

    def __init__(self, good_count: int = 0) -> None:
        super().__init__()
        self.good_count = good_count
        self.count = 0

    async def dial(self, origin: Origin, http1: bool, make: Callable[[], P]) -> P:
        self.count += 1
        if self.count <= self.good_count:
            return await super().dial(origin, http1, make)
        raise DialError("refused")


class Hears:
    """Listens to a response."""

    def __init__(self) -> None:
        self.status = 0
        self.broken = ""

    def on_response(self, status: int, headers: HeaderLines) -> None:
        self.status = status

    def on_body(self, data: bytes) -> None: ...

    def on_drained(self) -> None: ...

    def on_end(self) -> None: ...

    def on_broken(self, reason: str, untouched: bool) -> None:
        self.broken = reason


def ask(pool: Pool, origin: Origin) -> Hears:
    hears = Hears()
    head = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":authority", origin.authority),
        (b":path", b"/invoke/Svc/run"),
    ]
    pool.open(Exchange(head, [b"x"], False, hears))
    return hears


def pool_to(origin: Origin, dialer: Dialer) -> Pool:
    return Pool(origin, False, dialer, lambda: None, lambda: None)


def test_pauses_double_up_to_a_second_and_failures_together_count_once() -> None:
    backoff = Backoff()
    assert backoff.is_forgotten(0.0)
    pauses = []
    now_s = 100.0
    for _ in range(8):
        backoff.failed(now_s)
        backoff.failed(now_s)
        pauses.append(round(backoff.until_s - now_s, 3))
        now_s = backoff.until_s
    assert pauses[:4] == [FIRST_S, 2 * FIRST_S, 4 * FIRST_S, 8 * FIRST_S]
    assert pauses[-1] == MAX_S
    assert not backoff.is_forgotten(now_s) and backoff.is_forgotten(now_s + 3 * MAX_S)
    backoff.worked()
    assert backoff.is_forgotten(now_s)


def test_attempts_that_come_again_at_once_share_the_pauses() -> None:
    async def test() -> None:
        dialer = Refusing()
        pool = pool_to(NOWHERE, dialer)
        failed = 0
        hears = [ask(pool, NOWHERE) for _ in range(50)]
        until_s = asyncio.get_running_loop().time() + 1.0
        while asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(0.001)
            broken = [h for h in hears if h.broken]
            failed += len(broken)
            hears = [h for h in hears if not h.broken] + [ask(pool, NOWHERE) for _ in broken]
        assert failed >= 100, "those that wait fail with the next connect"
        assert dialer.count <= 6
        assert not pool.is_idle, "the pause is remembered"
        pool.close("done")

    run(test)


async def _hang(served: Served) -> None:
    served.respond(content_type="text/plain")
    await served.was_reset.wait()


def test_beside_a_full_connection_refused_connects_pause_and_waiting_ends() -> None:
    async def test() -> None:
        pool_module._WAIT_S, before = 0.3, pool_module._WAIT_S  # type: ignore[misc]
        service = await ScriptedService(_hang, streams_max=1).start()
        origin = parse_origin(service.target.uri)
        dialer = Refusing(good_count=1)
        pool = pool_to(origin, dialer)
        first = ask(pool, origin)
        while not first.status:
            await asyncio.sleep(0.01)
        others = [ask(pool, origin) for _ in range(20)]
        async with asyncio.timeout(60):
            while not all(other.broken for other in others):
                await asyncio.sleep(0.01)
        assert dialer.count <= 10
        assert not first.broken
        assert all(other.broken == "refused" for other in others)
        pool.close("done")
        await service.stop()
        pool_module._WAIT_S = before  # type: ignore[misc]

    run(test)


def test_many_that_wait_fail_in_slices() -> None:
    async def test() -> None:
        pool = pool_to(NOWHERE, Refusing())
        batches: list[int] = []
        hears = [ask(pool, NOWHERE) for _ in range(1000)]
        pool.on_batch = lambda: batches.append(sum(bool(h.broken) for h in hears))
        while not hears[-1].broken:
            await asyncio.sleep(0)
        assert max(b - a for a, b in zip([0, *batches], batches, strict=False)) <= 128
        pool.close("done")

    run(test)


def test_a_service_that_closes_each_connection_is_not_hammered() -> None:
    async def test() -> None:
        async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal count
            count += 1
            writer.close()

        count = 0
        server = await asyncio.start_server(closes, "127.0.0.1", 0)
        origin = parse_origin(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        pool = pool_to(origin, Dialer())
        hears = ask(pool, origin)
        until_s = asyncio.get_running_loop().time() + 0.7
        while asyncio.get_running_loop().time() < until_s:
            await asyncio.sleep(0.001)
            if hears.broken:
                hears = ask(pool, origin)
        assert 2 <= count <= 6
        pool.close("done")
        server.close()

    run(test)
