"""Look-ups of names: beside each other, once per name at a time, with a deadline."""

import asyncio
import threading
from collections import Counter
from time import monotonic

import pytest

from orchestrator.exchanges.dialing import Dialer, DialError
from orchestrator.exchanges.origin import Origin
from orchestrator.exchanges.resolver import HostResolver, system_look_up
from tests.unit.invoker.worlds import run


class Names:
    """A look-up of which some names hang until `go`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.go = threading.Event()

    def __call__(self, host: str) -> list[str]:
        self.asked[host] += 1
        if host.startswith("hangs"):
            self.go.wait(20)
        if host == "unknown":
            raise OSError("no such name")
        return ["127.0.0.1"]


def test_names_that_hang_hold_up_no_other() -> None:
    async def test() -> None:
        names = Names()
        resolver = HostResolver(names)
        hanging = [
            asyncio.ensure_future(resolver.addresses(f"hangs {number}", 0.05))
            for number in range(20)
        ]
        assert await resolver.addresses("good") == ["127.0.0.1"]
        for one in hanging:
            with pytest.raises(TimeoutError, match="look-up of 'hangs"):
                await one
        names.go.set()

    run(test)


def test_one_look_up_per_name_serves_all_that_ask() -> None:
    async def test() -> None:
        names = Names()
        resolver = HostResolver(names)
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await resolver.addresses("hangs", 0.02)
        both = asyncio.gather(*(resolver.addresses("hangs") for _ in range(5)))
        await asyncio.sleep(0)
        names.go.set()
        assert await both == [["127.0.0.1"]] * 5
        assert names.asked["hangs"] == 1
        await resolver.addresses("hangs")
        assert names.asked["hangs"] == 2, "what was found is not kept"

    run(test)


def test_beyond_the_threads_names_wait_for_their_turn() -> None:
    async def test() -> None:
        names = Names()
        resolver = HostResolver(names, threads_max=2)
        hanging = [asyncio.ensure_future(resolver.addresses(f"hangs {n}")) for n in range(2)]
        late = asyncio.ensure_future(resolver.addresses("late"))
        await asyncio.sleep(0.05)
        assert not late.done() and names.asked["late"] == 0
        names.go.set()
        assert await late == ["127.0.0.1"]
        await asyncio.gather(*hanging)

    run(test)


def test_numbers_need_no_look_up_and_errors_come_through() -> None:
    async def test() -> None:
        names = Names()
        resolver = HostResolver(names)
        assert await resolver.addresses("127.0.0.1") == ["127.0.0.1"]
        assert await resolver.addresses("::1") == ["::1"]
        assert not names.asked
        with pytest.raises(OSError, match="no such name"):
            await resolver.addresses("unknown")

    run(test)


def test_the_systems_look_up() -> None:
    assert "127.0.0.1" in system_look_up("localhost")
    with pytest.raises((OSError, ValueError)):
        system_look_up("a..b")


class _Closes(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


def test_each_address_of_a_host_is_tried() -> None:
    async def test() -> None:
        server = await asyncio.get_running_loop().create_server(_Closes, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        resolver = HostResolver(lambda host: ["::1", "127.0.0.2", "127.0.0.1"])
        dialer = Dialer(resolver=resolver)
        origin = Origin(False, "some.host", port, b"some.host", "")
        assert await dialer.dial(origin, False, _Closes)
        server.close()
        await asyncio.sleep(0.05)
        begun_s = monotonic()
        with pytest.raises(DialError, match=f"some.host:{port}"):
            await dialer.dial(origin, False, _Closes)
        assert monotonic() - begun_s < 5

    run(test)
