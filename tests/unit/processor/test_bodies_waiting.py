"""Bodies that wait for the log are in memory: what is taken in or in flight is bounded."""

import asyncio

import pytest

from orchestrator.processor import turns
from orchestrator.processor.port import Accepted, Unavailable
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Process, World

BODY = b"x" * 100_000
HELD_BYTES_MAX = 20 * len(BODY)


def held_bytes(process: Process) -> int:
    return sum(
        seat.pending.bytes_count + (seat.in_flight.bytes_count if seat.in_flight else 0)
        for seat in process.processor._seats.all()
    )


@pytest.mark.parametrize("count", [100, 200])
def test_what_is_taken_in_while_the_log_is_slow_is_bounded(count: int) -> None:
    async def story() -> None:
        process = await World(2).led(held_bytes_max=HELD_BYTES_MAX)
        process.log.hold(0)
        process.log.hold(1)
        sent = [
            process.send(process.make(process.world.uid(number % 2), body=BODY))
            for number in range(count)
        ]
        await asyncio.sleep(0.01)
        assert HELD_BYTES_MAX - len(BODY) < held_bytes(process) < HELD_BYTES_MAX + 10_000
        refused = [replies for replies in sent if replies]
        assert len(refused) == count - HELD_BYTES_MAX // len(BODY)
        reason = "too many large bodies wait for the log to take them"
        assert all(replies == [Unavailable(reason, False)] for replies in refused)
        small = process.send(process.make(process.world.uid(0)))
        process.log.let_go(0)
        process.log.let_go(1)
        await process.until(lambda: len(small) == 2)
        assert small[0] == Accepted(True)
        await process.until(lambda: all(sent))
        assert isinstance(
            (await process.call(process.make(process.world.uid(), body=BODY)))[0], Accepted
        )
        await process.processor.close()

    run(story())


def test_small_bodies_are_refused_once_their_partition_holds_too_many() -> None:
    async def story() -> None:
        process = await World(2).led(held_bytes_max=100_000)
        process.log.hold(0)
        sent = [
            process.send(process.make(process.world.uid(0), body=b"x" * 1_000)) for _ in range(300)
        ]
        await asyncio.sleep(0.01)
        assert sum(bool(replies) for replies in sent) == 200
        assert len(await process.call(process.make(process.world.uid(1), body=b"x" * 1_000))) == 2
        process.log.let_go(0)
        await process.processor.close()

    run(story())


def test_a_body_larger_than_the_bound_passes_when_it_is_alone() -> None:
    async def story() -> None:
        process = await World(1).led(held_bytes_max=len(BODY) // 2)
        replies = await process.call(process.make(process.world.uid(), body=BODY))
        assert replies[0] == Accepted(True)
        await process.processor.close()

    run(story())


@pytest.mark.parametrize("count", [60, 120])
def test_what_all_partitions_have_in_flight_is_bounded(
    count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "BYTES_MAX", 8 * len(BODY))
    monkeypatch.setattr(turns, "BYTES_LEAST", len(BODY))

    async def story() -> None:
        process = await World(4).led()
        process.log.ack_delay_s = 0.05
        sent = [
            process.send(process.make(process.world.uid(number % 4), body=BODY))
            for number in range(count)
        ]
        most_bytes = 0
        while not all(sent):
            seats = process.processor._seats.all()
            in_flight = [seat.in_flight for seat in seats]
            most_bytes = max(most_bytes, sum(a.bytes_count for a in in_flight if a is not None))
            await asyncio.sleep(0.001)
        assert 4 * len(BODY) < most_bytes < 8 * len(BODY) + 5_000
        await process.processor.close()

    run(story())
