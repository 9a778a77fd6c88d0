"""Apps of this process that are missing, broken, slow or silent; what both ways do alike is in
tests/contracts/test_service_ways.py."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from orchestrator.exchanges.apps import Apps
from orchestrator.exchanges.asking import ServiceAsker
from orchestrator.exchanges.discovery import Discovery
from orchestrator.exchanges.draining import DRAIN_S
from orchestrator.exchanges.exchange import Exchange
from orchestrator.exchanges.in_process import WINDOW_BYTES, InProcessPool
from orchestrator.exchanges.origin import parse_origin
from orchestrator.exchanges.pools import Pools
from orchestrator.registry.discovery import DiscoveryTarget
from orchestrator.registry.errors import RegistryError
from orchestrator.runtime.clock import SystemClock
from perdure.wire import InputCommand, Start, invocation_id_to_str, run_ack
from tests.unit.invoker.wires import Hears
from tests.unit.invoker.worlds import run

HEAD = [(b":method", b"POST"), (b":path", b"/invoke/Svc/run"), (b"content-type", b"x/y")]


class ScriptedApp:
    """An app with one attempt; `refuses` is the answer to every request."""

    server = "scripted/1"

    def __init__(self, refuses: Any = None) -> None:
        self.refuses = refuses
        self.took = b""
        self.pieces: list[int] = []
        self.acknowledged: list[int] = []
        self.is_input_over = self.is_lost = self.is_busy = False
        self.opened: tuple[Start, InputCommand] | None = None
        self.headers: Mapping[str, str] = {}
        self.send: Callable[[list[bytes]], None]
        self.ended: Callable[[], None]

    def manifest(self, version: int) -> bytes:
        return b"{}"

    def open(
        self,
        path: bytes,
        content_type: bytes,
        headers: Mapping[str, str],
        send: Callable[[list[bytes]], None],
        ended: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> Any:
        if isinstance(self.refuses, Exception):
            raise self.refuses
        self.send, self.ended, self.headers = send, ended, headers
        return self.refuses or ScriptedAttempt(self)

    def feed(self, data: bytes) -> None:
        self.took += data
        self.pieces.append(len(data))

    def end_input(self) -> None:
        self.is_input_over = True

    def lost(self) -> None:
        self.is_lost = True


class ScriptedAttempt:
    """The one attempt; what it is told is noted by its app."""

    def __init__(self, app: ScriptedApp) -> None:
        self._app = app
        self.feed, self.end_input, self.lost = app.feed, app.end_input, app.lost
        self.acknowledge = app.acknowledged.extend

    def open(self, start: Start, given: InputCommand) -> None:
        self._app.opened = (start, given)

    @property
    def is_busy(self) -> bool:
        return self._app.is_busy


class EchoingApp(ScriptedApp):
    """Answers at once with what it is given, and ends after b"end"."""

    def feed(self, data: bytes) -> None:
        super().feed(data)
        self.send([data])
        if data == b"end":
            self.ended()


def _pool(app: ScriptedApp | None) -> tuple[InProcessPool, Apps, list[Callable[[], None]]]:
    apps = Apps()
    if app is not None:
        apps.put("app", app)
    soon: list[Callable[[], None]] = []
    return InProcessPool("app", apps, soon.append, lambda: None, lambda: None), apps, soon


def _turns(soon: list[Callable[[], None]], count: int = 100) -> None:
    for _ in range(count):
        if soon:
            soon.pop(0)()


@pytest.mark.parametrize(
    ("app", "why"),
    [(None, "there is no such app"), (ScriptedApp(KeyError("bug")), "failed: KeyError('bug')")],
)
def test_an_app_that_cannot_begin_breaks_its_exchange(app: ScriptedApp | None, why: str) -> None:
    async def test() -> None:
        pool, apps, soon = _pool(app)
        hears = Hears()
        pool.open(Exchange(HEAD, [b"x"], False, hears))
        assert not hears.broken, "a callback came inside the call that asked for it"
        _turns(soon)
        assert why in hears.broken and pool.is_idle and not apps.links

    run(test)


def test_a_refusal_is_a_status() -> None:
    async def test() -> None:
        pool, _, soon = _pool(ScriptedApp((404, "no such handler")))
        hears = Hears()
        pool.open(Exchange(HEAD, [b"x"], True, hears))
        _turns(soon)
        assert hears.status == 404 and hears.is_ended and pool.is_idle

    run(test)


def test_requests_come_in_windows_and_say_when_there_is_room() -> None:
    async def test() -> None:
        app = ScriptedApp()
        pool, _, soon = _pool(app)
        hears = Hears()
        exchange = Exchange(HEAD, [b"x" * (3 * WINDOW_BYTES)], False, hears)
        pool.open(exchange)
        exchange.want_room()
        assert not exchange.has_room(1)
        _turns(soon, 1)
        assert app.pieces == [WINDOW_BYTES] and not hears.drained
        _turns(soon)
        assert app.pieces == [WINDOW_BYTES] * 3 and hears.drained == 1
        assert exchange.has_room(1) and not app.is_input_over
        exchange.end()
        _turns(soon)
        assert app.is_input_over

    run(test)


def test_what_is_answered_at_once_goes_along_in_the_same_turn() -> None:
    async def test() -> None:
        app = EchoingApp()
        pool, apps, soon = _pool(app)
        hears = Hears()
        exchange = Exchange(HEAD, [b"a"], False, hears)
        pool.open(exchange)
        _turns(soon, 1)
        assert hears.body_bytes == 1 and not soon
        exchange.send(b"bcd")
        assert len(soon) == 1
        _turns(soon, 1)
        assert hears.body_bytes == 4 and not soon
        exchange.send(b"end")
        _turns(soon, 1)
        assert hears.body_bytes == 7 and hears.is_ended and exchange.closed
        assert not soon and pool.is_idle and not apps.links and not app.is_lost
        assert exchange.carrier is None  # no circle is left for the collector

    run(test)


def test_acknowledgements_are_numbers_in_their_order() -> None:
    """Before bytes they are numbers, behind bytes that wait they are bytes."""

    async def test() -> None:
        app = EchoingApp()
        pool, _, soon = _pool(app)
        exchange = Exchange(HEAD, [b"a"], False, Hears())
        assert exchange.acknowledge is None
        pool.open(exchange)
        _turns(soon, 1)
        acknowledge = exchange.acknowledge
        assert acknowledge is not None
        acknowledge(1)
        acknowledge(2)
        assert app.acknowledged == [], "the service ran inside a call of the engine"
        _turns(soon, 1)
        assert app.acknowledged == [1, 2] and app.took == b"a" and not soon
        acknowledge(3)
        exchange.send(b"bcd")
        acknowledge(4)
        _turns(soon, 1)
        assert app.acknowledged == [1, 2, 3] and app.took == b"abcd" + run_ack(4)
        acknowledge(5)
        exchange.end()
        _turns(soon, 1)
        assert app.acknowledged == [1, 2, 3, 5] and app.is_input_over
        acknowledge(6)
        exchange.cancel()
        _turns(soon)
        assert app.acknowledged == [1, 2, 3, 5] and app.is_lost and exchange.acknowledge is None

    run(test)


def test_a_receiver_that_fails_at_the_last_bytes_is_told() -> None:
    class Fails(Hears):
        def on_body(self, data: bytes | list[bytes]) -> None:
            raise KeyError("bug")

    async def test() -> None:
        app = EchoingApp()
        pool, _, soon = _pool(app)
        hears = Fails()
        pool.open(Exchange(HEAD, [b"end"], False, hears))
        _turns(soon)
        assert "bug" in hears.broken and pool.is_idle and not hears.is_ended

    run(test)


def test_an_exchange_that_is_held_back_rests_until_it_goes_on() -> None:
    async def test() -> None:
        app = ScriptedApp()
        pool, _, soon = _pool(app)
        hears = Hears()
        exchange = Exchange(HEAD, [b"x"], False, hears)
        pool.open(exchange)
        _turns(soon)
        exchange.hold_back(True)
        app.send([b"y" * WINDOW_BYTES, b"z"])
        _turns(soon)
        assert hears.body_bytes == WINDOW_BYTES and not soon
        exchange.hold_back(False)
        _turns(soon)
        assert hears.body_bytes == WINDOW_BYTES + 1 and not soon

    run(test)


def test_headers_are_made_where_they_are_looked_at() -> None:
    async def test() -> None:
        app = ScriptedApp()
        pool, _, soon = _pool(app)
        opening = (Start(bytes(24), "", 1), InputCommand((), b"body"))
        pool.open(Exchange(HEAD, [], False, Hears(), opening))
        _turns(soon)
        assert app.opened == opening
        assert app.headers["content-type"] == "x/y" and "accept" not in app.headers
        assert app.headers["x-restate-invocation-id"] == invocation_id_to_str(bytes(24))
        assert len(app.headers) == len(dict(app.headers)) == 4

    run(test)


def test_what_is_cancelled_is_lost_in_a_later_turn_and_says_nothing_more() -> None:
    async def test() -> None:
        app = ScriptedApp()
        pool, apps, soon = _pool(app)
        hears = Hears()
        exchange = Exchange(HEAD, [b"x"], False, hears)
        pool.open(exchange)
        _turns(soon)
        app.send([b"unheard"])
        exchange.cancel()
        assert not app.is_lost, "the service ran inside a call of the engine"
        _turns(soon)
        assert app.is_lost and not hears.body_bytes and not apps.links

    run(test)


def test_an_answer_that_does_not_end_is_cut_off_in_time() -> None:
    async def test() -> None:
        app = ScriptedApp()
        pool, _, soon = _pool(app)
        exchange = Exchange(HEAD, [b"x"], False, Hears())
        pool.open(exchange)
        _turns(soon)
        exchange.drain()
        _turns(soon)
        assert app.is_input_over
        pool.sweep(1.0)
        pool.sweep(1.0 + DRAIN_S - 0.1)
        _turns(soon)
        assert not app.is_lost
        pool.sweep(1.0 + DRAIN_S)
        _turns(soon)
        assert app.is_lost and pool.is_idle

    run(test)


def test_a_dead_process_tells_nobody() -> None:
    async def test() -> None:
        app = ScriptedApp()
        pool, apps, soon = _pool(app)
        hears = Hears()
        pool.open(Exchange(HEAD, [b"x"], False, hears))
        _turns(soon)
        app.is_busy = True
        assert apps.is_busy
        apps.cut()
        assert app.is_lost and not hears.broken and not apps.is_busy

    run(test)


def test_pools_of_apps_go_when_nothing_runs_in_them() -> None:
    async def test() -> None:
        soon: list[Callable[[], None]] = []
        apps = Apps()
        unused: Any = None  # what dials, and what calls functions
        pools = Pools(unused, apps, unused, soon.append, lambda: None, lambda: None)
        app = ScriptedApp()
        apps.put("app", app)
        pool = pools.get(parse_origin("inproc://app"), False)
        pool.open(Exchange(HEAD, [b"x"], True, Hears()))
        _turns(soon)
        pools.sweep(1.0)
        assert pools.get(parse_origin("inproc://app"), False) is pool
        app.ended()
        _turns(soon)
        pools.sweep(2.0)
        assert not pools

    run(test)


def test_discovery_of_an_app_that_is_not_there() -> None:
    async def test() -> None:
        with pytest.raises(RegistryError, match="no app 'gone'"):
            await Discovery(ServiceAsker(SystemClock(), None, "")).discover(
                DiscoveryTarget("inproc://gone")
            )

    run(test)
