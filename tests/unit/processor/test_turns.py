"""Which appends share a turn, and how long one turn waits for another."""

import asyncio

import pytest

from orchestrator.model.records import ChoreStep, PurgeExpired
from orchestrator.processor.proposals import ProposalQueue
from orchestrator.processor.state_limit import Yield
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Process, World

PARTITIONS = 4
ACK_S = 0.004


async def _led() -> Process:
    process = await World(PARTITIONS).led()
    process.log.ack_delay_s = ACK_S
    del process.log.appends[:]
    return process


async def _clients(process: Process, count: int, calls: int) -> None:
    """Each calls one partition again and again; they do not begin together."""

    async def client(number: int) -> None:
        await asyncio.sleep(number * ACK_S / count)
        for _ in range(calls):
            await process.call(process.make(process.world.uid(number % PARTITIONS)))

    await asyncio.gather(*(client(number) for number in range(count)))


def test_partitions_share_turns_however_their_clients_come() -> None:
    async def story() -> None:
        process = await _led()
        await _clients(process, 4 * PARTITIONS, calls=10)
        appends = process.log.appends
        assert sum(map(len, appends)) >= len(appends) * PARTITIONS / 2
        await process.processor.close()

    run(story())


def test_a_turn_waits_for_slow_appends_only_for_a_moment() -> None:
    async def story() -> None:
        process = await _led()
        process.log.hold(0)
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        process.send(process.make(process.world.uid(0)))
        await asyncio.sleep(0.001)
        await process.call(process.make(process.world.uid(1)))
        assert loop.time() - began_s < 0.03
        for _ in range(10):  # it is known to be slow by now
            began_s = loop.time()
            await process.call(process.make(process.world.uid(1)))
            assert loop.time() - began_s < 2 * ACK_S + 0.004
        process.log.let_go(0)
        await process.processor.close()

    run(story())


@pytest.mark.parametrize("more", [Yield(400, 0), Yield(0, 3 << 20)])
def test_a_turn_takes_few_records_that_read_much(more: Yield) -> None:
    """A record that lists 12,000 keys, or reads 3 MB, is some bytes itself."""
    queue = ProposalQueue()
    for _ in range(10):
        queue.add(ChoreStep(0, 0, b""), None, more)
    taken = [len(queue.take(1_000, 8 << 20)[0]) for _ in range(5)]
    assert taken == [2] * 5 and not queue.waiting and queue.bytes_count == 0


def test_of_all_partitions_one_record_of_a_turn_is_heavy() -> None:
    """Else what is answered together would hold the loop for as long as all of them take."""

    async def story() -> None:
        process = await _led()
        seats = process.processor._seats
        for number in range(PARTITIONS):
            process.log.hold(number)
            process.send(process.make(process.world.uid(number)), wait=False)
        await asyncio.sleep(0.1)
        for number in range(PARTITIONS):
            seat = seats.get(number)
            assert seat is not None and seat.term is not None
            for _ in range(3):
                seat.propose(PurgeExpired(seat.term.epoch, 0, ()), None, Yield(900, 0))
        del process.log.appends[:]
        for number in range(PARTITIONS):
            process.log.let_go(number)
        await process.until(lambda: sum(map(len, process.log.appends)) == 3 * PARTITIONS)
        assert [len(batch) for batch in process.log.appends] == [1] * (3 * PARTITIONS)
        order = [number for batch in process.log.appends for number in batch]
        assert order[:PARTITIONS] == sorted(order[:PARTITIONS]), "they take turns"
        await process.processor.close()

    run(story())
