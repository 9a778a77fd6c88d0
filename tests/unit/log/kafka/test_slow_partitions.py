"""A partition whose leader is away waits for it; the log as a whole takes appends all the same."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, KafkaException

from orchestrator.log.kafka import producer as producers
from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.kafka.producer import Generation
from orchestrator.log.kafka.writer import KafkaWriter
from orchestrator.log.known import LogGone
from orchestrator.log.port import META, STALLED_MS, AppendError


class Message:
    def __init__(self, topic: str, offset: int) -> None:
        self._topic, self._offset = topic, offset

    def topic(self) -> str:
        return self._topic

    def offset(self) -> int:
        return self._offset


class Producer:
    """Of brokers of which some are away: reports on what goes to the others at once."""

    def __init__(self, away: set[int]) -> None:
        self._away = away
        self._offsets: dict[int, int] = {}

    def produce(self, topic: str, message: bytes, partition: int, on_delivery: Any) -> None:
        if partition not in self._away:
            offset = self._offsets[partition] = self._offsets.get(partition, -1) + 1
            asyncio.get_running_loop().call_soon(on_delivery, None, Message(topic, offset))

    def poll(self, timeout_s: float) -> int:
        return 0

    def purge(self, **how: Any) -> None: ...

    def flush(self, timeout_s: float) -> None: ...


class World:
    """A log that leads partitions 0 to 2."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, away: set[int]) -> None:
        served = SimpleNamespace(close=lambda: None, serve=lambda: None)
        monkeypatch.setattr(producers, "Served", lambda *given: served)
        self.now_ms = 0
        self.log = KafkaLog(
            KafkaOptions("nowhere:1", Path("nowhere")), clock_ms=lambda: self.now_ms
        )
        self.writer = KafkaWriter(
            lambda on_error: cast(Any, Producer(away)),
            "client",
            lambda partition: ("log", partition),
            lambda: self.now_ms,
        )
        self.log._writer = self.writer
        self.log._member = cast(Any, SimpleNamespace(refused=None, partitions={0, 1, 2}))
        self.acknowledged: list[int] = []

    async def append(self, *partitions: int) -> None:
        self.writer.append([(number, [b"message"]) for number in partitions], self._done)
        await asyncio.sleep(0)

    def _done(self, partition: int, first: int, count: int, error: AppendError | None) -> None:
        assert error is None
        self.acknowledged.append(partition)

    def reason(self) -> str:
        health = self.log.health()
        assert health.writable == (not health.reason)
        return health.reason


@pytest.mark.parametrize("away", [{1}, {0, 2}, {META}, {META, 1}])
def test_one_that_waits_for_its_leader_closes_the_door_for_itself_only(
    monkeypatch: pytest.MonkeyPatch, away: set[int]
) -> None:
    async def story() -> None:
        world = World(monkeypatch, away)
        await world.append(0, 1, 2, META)
        world.now_ms += 10 * STALLED_MS
        assert world.log.health().oldest_unacknowledged_ms == 10 * STALLED_MS
        assert world.reason() == ""
        others = {0, 1, 2} - away
        await world.append(*others)
        assert set(world.acknowledged) == {0, 1, 2, META} - away
        assert world.acknowledged.count(min(others)) == 2

    asyncio.run(story())


def test_where_none_takes_appends_the_log_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        world = World(monkeypatch, {0, 1, 2})
        await world.append(0, 1)
        world.now_ms += STALLED_MS
        assert world.reason() == "", "nobody has asked partition 2"
        await world.append(2)
        assert world.reason() == ""
        world.now_ms += STALLED_MS
        assert "an append has been waiting" in world.reason()
        world.log._member = None
        assert "an append has been waiting" in world.reason()

    asyncio.run(story())


def test_brokers_that_are_away_after_the_log_was_found_gone_are_no_error_of_the_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    escaped: list[Any] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: escaped.append(context))
        world = World(monkeypatch, set())
        world.log._clients = cast(Any, SimpleNamespace(serve=lambda: None))
        world.log._member = None
        world.log._declare_gone(LogGone(b"cluster:log:meta", "topic p.log was deleted"))
        world.writer.down_reason = "all brokers are down"
        world.log._ticked()
        while world.log._probing:
            await asyncio.sleep(0.001)
        assert world.log._tick is not None
        world.log._tick.cancel()

    asyncio.run(story())
    assert not escaped


def test_ending_a_producer_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was in flight is purged, which is fatal to an idempotent client."""

    class Ending(Producer):
        def flush(self, timeout_s: float) -> None:
            raise KafkaException(KafkaError(KafkaError._GAPLESS_GUARANTEE, "purged", True))

    async def story() -> None:
        served = SimpleNamespace(close=lambda: None, serve=lambda: None)
        monkeypatch.setattr(producers, "Served", lambda *given: served)
        make = lambda on_error: cast(Any, Ending(set()))  # noqa: E731
        generation = Generation(make, "client", lambda reason: None, lambda reason: None)
        await generation.end()

    asyncio.run(story())
