"""The consumer of many places: assigning blocks, and neither holds the loop nor mixes places up."""

import asyncio
import threading
import time
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from confluent_kafka import TopicPartition

from orchestrator.brokers.kafka import places
from orchestrator.brokers.kafka.configs import ReaderOptions
from orchestrator.brokers.kafka.places import PlacesConsumer

BLOCKS_S = 0.1


class Reading:
    """As much of one as a consumer looks at."""

    is_over = False

    def __init__(self, partition: int, position: int) -> None:
        self.place = places_of(partition)
        self.position = position
        self.leader_epoch = -1
        self.moves = 0
        self.offsets: list[int] = []

    def taken(self, polled: list["Message"]) -> None:
        self.offsets += [message.offset() for message in polled]


def places_of(partition: int) -> Any:
    return TopicPartition("t", partition)


class Message:
    def __init__(self, partition: int, offset: int) -> None:
        self.at = partition, offset

    def topic(self) -> str:
        return "t"

    def partition(self) -> int:
        return self.at[0]

    def offset(self) -> int:
        return self.at[1]

    def error(self) -> None:
        return None


class SlowConsumer:
    """What is assigned, as librdkafka has it: assigning twice is an error, and so is unassigning
    what is not assigned."""

    def __init__(self, blocks_s: float) -> None:
        self._blocks_s = blocks_s
        self.assigned: dict[int, int] = {}
        self.threads: set[str] = set()
        self._lock = threading.Lock()  # librdkafka may be called from several threads

    def incremental_assign(self, found: list[TopicPartition]) -> None:
        self._block()
        with self._lock:
            for one in found:
                assert one.partition not in self.assigned
                self.assigned[one.partition] = one.offset

    def incremental_unassign(self, found: list[TopicPartition]) -> None:
        self._block()
        with self._lock:
            for one in found:
                del self.assigned[one.partition]

    def _block(self) -> None:
        self.threads.add(threading.current_thread().name)
        time.sleep(self._blocks_s)

    def consume(self, count: int, timeout_s: float) -> list[Message]:
        """One of each place."""
        found = []
        with self._lock:
            for partition in self.assigned:
                found.append(Message(partition, self.assigned[partition]))
                self.assigned[partition] += 1
        return found

    def close(self) -> None:
        self.threads.add("closed")


class Served:
    def __init__(self, client: Any, client_id: str, serve: Any, on_error: Any) -> None:
        self._serve = serve

    def serve_again(self) -> None:
        asyncio.get_running_loop().call_soon(self._serve)

    def close(self) -> None: ...


def run(
    monkeypatch: pytest.MonkeyPatch,
    blocks_s: float,
    story: Callable[[PlacesConsumer, SlowConsumer], Any],
) -> SlowConsumer:
    slow = SlowConsumer(blocks_s)
    monkeypatch.setattr(places, "Served", Served)
    monkeypatch.setattr(places, "make_consumer", lambda config, on_error: slow)

    async def whole() -> None:
        consumer = PlacesConsumer(ReaderOptions(lambda: {"client.id": "c"}, "g"), 0)
        await story(consumer, slow)
        consumer.close()

    asyncio.run(asyncio.wait_for(whole(), 30))
    return slow


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_assigning_does_not_hold_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(consumer: PlacesConsumer, slow: SlowConsumer) -> None:
        readings: list[Any] = [Reading(number, 5) for number in range(4)]
        for one in readings:
            consumer.add(one)
        await until(lambda: len(slow.assigned) == 4)
        turns = 0
        for one in readings:
            consumer.remove(one)
        while slow.assigned:
            turns += 1
            await asyncio.sleep(0)
        assert turns > 10

    slow = run(monkeypatch, BLOCKS_S, story)
    assert all(name.startswith(("intake-0", "closed")) for name in slow.threads), slow.threads


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_while_it_blocks_each_reading_has_its_own_records(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = Random(seed)

    async def story(consumer: PlacesConsumer, slow: SlowConsumer) -> None:
        current: dict[int, Any] = {}
        made: list[tuple[int, Any]] = []
        for number in range(60):
            partition = chance.randrange(3)
            if partition in current:
                consumer.remove(current.pop(partition))
            if chance.random() < 0.7:
                start = 1_000 * (number + 1)
                current[partition] = one = Reading(partition, start)
                made.append((start, one))
                consumer.add(one)  # type: ignore[arg-type]
            await asyncio.sleep(chance.choice((0, 0, 0.001, 0.004)))
            consumer._serve()
        await until(lambda: set(slow.assigned) == set(current) and not consumer._is_changing)
        consumer._serve()
        for start, one in made:
            assert one.offsets == list(range(start, start + len(one.offsets)))
        assert all(one.offsets for one in current.values())

    run(monkeypatch, 0.002, story)


class Failing(Reading):
    def __init__(self, partition: int, position: int) -> None:
        super().__init__(partition, position)
        self.failures: list[Exception] = []

    def taken(self, polled: list["Message"]) -> None:
        raise ValueError("a fault")

    def failed(self, error: Exception) -> None:
        self.failures.append(error)


def test_who_cannot_take_its_records_costs_no_other_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They come together, and what is left of them would be taken for a gap."""

    async def story(consumer: PlacesConsumer, slow: SlowConsumer) -> None:
        failing, other = Failing(0, 5), Reading(1, 5)
        for one in (failing, other):
            consumer.add(one)  # type: ignore[arg-type]
        await until(lambda: len(slow.assigned) == 2)
        consumer._serve()
        assert other.offsets[0] == 5
        assert [str(one) for one in failing.failures] == ["a fault"] * len(other.offsets)

    run(monkeypatch, 0, story)
