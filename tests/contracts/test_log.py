"""What every log promises, whichever it is."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from orchestrator.log.port import (
    META,
    AppendError,
    Log,
    LogMessage,
    LogRefused,
    OffsetOutOfRange,
)
from tests.contracts.places import MESSAGE_BYTES_MAX, PARTITIONS, Place

DURABLE = pytest.mark.parametrize("place", ["embedded", "kafka"], indirect=True)

pytestmark = pytest.mark.timeout(60)

Scenario = Callable[[Log], Awaitable[None]]


@dataclass(frozen=True)
class Told:
    partition: int
    first: int
    count: int
    error: AppendError | None


class Acknowledgements:
    """Collects what `done` was called with, in order."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    def done(self, partition: int, first: int, count: int, error: AppendError | None) -> None:
        assert asyncio.get_running_loop() is self._loop
        self.told.append(Told(partition, first, count, error))
        self._changed.set()

    async def wait(self, count: int) -> list[Told]:
        async with asyncio.timeout(20):
            while len(self.told) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.told


async def append(log: Log, partition: int, values: Sequence[bytes]) -> int:
    acknowledgements = Acknowledgements()
    log.append([(partition, values)], acknowledgements.done)
    told = (await acknowledgements.wait(1))[0]
    assert (told.partition, told.count, told.error) == (partition, len(values), None)
    return told.first


async def read(log: Log, partition: int, offset: int) -> tuple[list[LogMessage], int]:
    found: list[LogMessage] = []
    end = await log.read(partition, offset, found.extend)
    return found, end


@asynccontextmanager
async def opened(log: Log) -> AsyncIterator[Log]:
    await log.open()
    try:
        yield log
    finally:
        await log.close()


def with_open_log(place: Place, scenario: Scenario) -> None:
    async def main() -> None:
        async with opened(place.make()) as log:
            await scenario(log)

    asyncio.run(main())


def test_messages_are_read_back_in_order_from_any_offset(place: Place) -> None:
    async def scenario(log: Log) -> None:
        first = await append(log, 1, [b"a", b"b"])
        third = await append(log, 1, [b"c"])
        assert third >= first + 2
        found, end = await read(log, 1, first)
        assert found == [(first, b"a"), (first + 1, b"b"), (third, b"c")]
        assert (await read(log, 1, third))[0] == [(third, b"c")]
        assert await read(log, 1, end) == ([], end)

    with_open_log(place, scenario)


def test_done_comes_later_once_for_each_partition_in_order(place: Place) -> None:
    async def scenario(log: Log) -> None:
        acknowledgements = Acknowledgements()
        for number in range(20):
            batch = [(p, [b"%d" % number] * (p + 1)) for p in range(PARTITIONS)]
            log.append(batch, acknowledgements.done)
            assert not acknowledgements.told, "done was called from inside append"
        told = await acknowledgements.wait(20 * PARTITIONS)
        await asyncio.sleep(0.05)
        assert len(told) == 20 * PARTITIONS
        for partition in range(PARTITIONS):
            mine = [t for t in told if t.partition == partition]
            assert all(t.error is None and t.count == partition + 1 for t in mine)
            firsts = [t.first for t in mine]
            assert firsts == sorted(set(firsts))
            found, _ = await read(log, partition, firsts[0])
            by_offset = dict(found)
            for number, first in enumerate(firsts):
                values = [by_offset[first + at] for at in range(partition + 1)]
                assert values == [b"%d" % number] * (partition + 1)

    with_open_log(place, scenario)


def test_partitions_and_metadata_are_apart(place: Place) -> None:
    async def scenario(log: Log) -> None:
        assert log.partition_count == PARTITIONS
        for partition in (META, *range(PARTITIONS)):
            await append(log, partition, [b"of %d" % partition])
        for partition in (META, *range(PARTITIONS)):
            first, end = await log.bounds(partition)
            found, read_end = await read(log, partition, first)
            assert [m.value for m in found] == [b"of %d" % partition]
            assert read_end == end

    with_open_log(place, scenario)


def test_any_bytes_of_any_size_come_back(place: Place) -> None:
    values = [b"", b"\0" * 5000, bytes(range(256)) * 4096, b"x" * MESSAGE_BYTES_MAX, b"\xf5Pd\x01"]

    async def scenario(log: Log) -> None:
        first = await append(log, 0, values)
        found, _ = await read(log, 0, first)
        assert [m.value for m in found] == values

    with_open_log(place, scenario)


def test_a_message_over_the_limit_is_refused_in_its_turn(place: Place) -> None:
    async def scenario(log: Log) -> None:
        assert log.message_bytes_max == MESSAGE_BYTES_MAX
        acknowledgements = Acknowledgements()
        log.append([(0, [b"before"])], acknowledgements.done)
        log.append([(0, [b"x" * (MESSAGE_BYTES_MAX + 1)])], acknowledgements.done)
        log.append([(0, [b"after"])], acknowledgements.done)
        before, over, after = await acknowledgements.wait(3)
        assert before.error is None and after.error is None
        assert over.error is not None and over.error.refused and over.first == -1
        found, _ = await read(log, 0, before.first)
        assert [m.value for m in found] == [b"before", b"after"]

    with_open_log(place, scenario)


def test_many_appends_in_flight_keep_their_order(place: Place) -> None:
    async def scenario(log: Log) -> None:
        acknowledgements = Acknowledgements()
        for number in range(3000):
            log.append([(number % 2, [b"%d" % number])], acknowledgements.done)
            if number % 100 == 0:
                await asyncio.sleep(0)
        told = await acknowledgements.wait(3000)
        assert all(t.error is None for t in told)
        for partition in (0, 1):
            first, _ = await log.bounds(partition)
            found, _ = await read(log, partition, first)
            assert [int(m.value) for m in found] == list(range(partition, 3000, 2))

    with_open_log(place, scenario)


def test_a_read_comes_in_pieces_and_leaves_the_loop_free(place: Place) -> None:
    async def scenario(log: Log) -> None:
        values = [b"%d:" % number + bytes(5000) for number in range(1000)]
        first = await append(log, 2, values)
        other = asyncio.create_task(read(log, 1, await append(log, 1, values)))
        pieces: list[int] = []
        turns = rests = 0

        async def rest() -> None:
            """As long as another partition is read: that one does not rest."""
            nonlocal rests
            rests += 1
            delivered = len(pieces)
            await asyncio.wait_for(asyncio.shield(other), 20)
            assert len(pieces) == delivered

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        await log.read(2, first, lambda messages: pieces.append(len(messages)), rest)
        counting.cancel()
        assert sum(pieces) == 1000 and len(pieces) > 3 and turns > 3
        assert rests == len(pieces)

    with_open_log(place, scenario)


@DURABLE
def test_reads_at_once_hand_over_one_piece_a_round_of_the_loop(place: Place) -> None:
    async def scenario(log: Log) -> None:
        first = await append(log, 0, [b"x" * 1000 for _ in range(200)])
        loop, rounds, pieces = asyncio.get_running_loop(), [0], []

        def turn() -> None:
            rounds[0] += 1
            loop.call_soon(turn)

        def deliver(messages: list[LogMessage]) -> None:
            pieces.append(rounds[0])
            time.sleep(0.005)  # as if they were applied; other reads get theirs meanwhile

        turn()
        await asyncio.gather(*(log.read(0, first, deliver) for _ in range(24)))
        assert len(pieces) >= 24
        assert len(set(pieces)) == len(pieces)

    with_open_log(place, scenario)


def test_what_was_acknowledged_is_there_after_a_restart(place: Place) -> None:
    async def main() -> None:
        async with opened(place.make()) as log:
            identity = log.identity
            first = await append(log, 0, [b"a", b"b"])
            await append(log, META, [b"m"])
        async with opened(place.make()) as log:
            assert log.identity == identity
            assert [m.value for m in (await read(log, 0, first))[0]] == [b"a", b"b"]
            assert await append(log, 0, [b"c"]) >= first + 2
            assert [m.value for m in (await read(log, META, 0))[0]] == [b"m"]

    asyncio.run(main())


def test_a_read_outside_the_bounds_says_what_they_are(place: Place) -> None:
    async def scenario(log: Log) -> None:
        await append(log, 0, [b"a"])
        first, end = await log.bounds(0)
        with pytest.raises(OffsetOutOfRange) as raised:
            await read(log, 0, end + 5)
        assert (raised.value.start, raised.value.end) == (first, end)

    with_open_log(place, scenario)


async def settled_bounds(log: Log, partition: int) -> tuple[int, int]:
    """When trimming has begun and goes no further."""
    before = await log.bounds(partition)
    async with asyncio.timeout(10):
        while True:
            await asyncio.sleep(0.2)
            now = await log.bounds(partition)
            if now == before and now[0] > 0:
                return now
            before = now


def test_trimmed_messages_may_go_and_offsets_stay(place: Place) -> None:
    async def main() -> None:
        async with opened(place.make()) as log:
            values = [bytes(200_000)] * 30
            last = 0
            for value in values:
                last = await append(log, 0, [value])
            log.trim(0, last)
            first, end = await settled_bounds(log, 0)
            assert first <= last and end == last + 1
            with pytest.raises(OffsetOutOfRange) as raised:
                await read(log, 0, 0)
            assert raised.value.start == first
            assert (await read(log, 0, first))[1] == end
        async with opened(place.make()) as log:
            assert await log.bounds(0) == (first, end)
            assert await append(log, 0, [b"next"]) >= end

    asyncio.run(main())


def test_all_partitions_are_assigned_on_the_loop(place: Place) -> None:
    async def scenario(log: Log) -> None:
        assert not log.health().assigned
        assigned: list[int] = []
        log.lead(
            assigned.append,
            lambda number: pytest.fail(f"{number} was revoked"),
            lambda gone: pytest.fail(str(gone)),
        )
        assert not assigned, "assigned from inside lead"
        async with asyncio.timeout(15):
            while len(assigned) < PARTITIONS:
                await asyncio.sleep(0.01)
        assert sorted(assigned) == list(range(PARTITIONS))
        assert log.health().assigned

    with_open_log(place, scenario)


def test_a_closed_log_refuses(place: Place) -> None:
    async def main() -> None:
        log = place.make()
        assert not log.health().writable and log.health().reason
        acknowledgements = Acknowledgements()
        log.append([(0, [b"early"])], acknowledgements.done)
        async with opened(log):
            assert log.health().writable, log.health().reason
            await append(log, 0, [b"in time"])
        log.append([(0, [b"late"])], acknowledgements.done)
        for told in await acknowledgements.wait(2):
            assert told.error is not None and told.error.refused
        assert not log.health().writable
        async with opened(place.make()) as again:
            assert [m.value for m in (await read(again, 0, 0))[0]] == [b"in time"]

    asyncio.run(main())


def test_closing_settles_what_is_in_flight(place: Place) -> None:
    async def main() -> None:
        log = place.make()
        await log.open()
        acknowledgements = Acknowledgements()
        for number in range(50):
            log.append([(0, [b"%d" % number])], acknowledgements.done)
        await log.close()
        assert len(await acknowledgements.wait(50)) == 50
        kept = sum(t.error is None for t in acknowledgements.told)
        assert kept == 50
        async with opened(place.make()) as again:
            assert len((await read(again, 0, 0))[0]) == 50

    asyncio.run(main())


def test_restart_of_a_partition_lets_appends_through(place: Place) -> None:
    async def scenario(log: Log) -> None:
        await append(log, 0, [b"a"])
        log.restart(0)
        await append(log, 0, [b"b"])
        assert [m.value for m in (await read(log, 0, 0))[0]] == [b"a", b"b"]

    with_open_log(place, scenario)


@DURABLE
def test_a_second_log_on_the_same_directory_is_refused(place: Place) -> None:
    async def scenario(_: Log) -> None:
        second = place.make()
        with pytest.raises(LogRefused, match="in use by process") as refused:
            await second.open()
        assert refused.value.code == "PD0103" and refused.value.remedy
        await second.close()

    with_open_log(place, scenario)


@DURABLE
def test_another_partition_count_is_refused(place: Place) -> None:
    async def main() -> None:
        async with opened(place.make()) as log:
            await append(log, 0, [b"kept"])
        assert place.make_with is not None
        other = place.make_with(PARTITIONS + 2)
        with pytest.raises(LogRefused, match="partitions") as refused:
            await other.open()
        assert f"--partitions {PARTITIONS}" in refused.value.remedy
        await other.close()
        async with opened(place.make()) as log:
            assert len((await read(log, 0, 0))[0]) == 1

    asyncio.run(main())
