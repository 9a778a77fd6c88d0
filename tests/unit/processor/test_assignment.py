"""Partitions come and go; stores fail: what waits is told, what is owed is done all the same."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.processor import asking
from orchestrator.processor.port import Accepted, Reply, Result, Unavailable
from orchestrator.runtime.metrics import SPILLS
from orchestrator.store.memory import MemoryHome, MemoryStore
from orchestrator.store.port import StoreError, Writes
from tests.unit.processor.looking import find
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, World


def test_a_revoked_partition_tells_its_clients_and_may_come_back() -> None:
    async def story() -> None:
        world = World(2)
        hung: list[Attempt] = []
        process = await world.led({"slow": hung.append})
        seats = process.processor._seats
        slow = world.uid(0)
        waiting = process.send(process.make(slow, "slow"))
        await process.until(lambda: len(hung) == 1)
        process.log.hold(0)
        in_flight = process.send(process.make(world.uid(0)))
        await asyncio.sleep(0.01)
        pending = process.send(process.make(world.uid(0)))
        seats._revoked(0)
        await asyncio.sleep(0.01)
        assert isinstance(waiting[-1], Unavailable) and waiting[-1].kept
        assert isinstance(pending[-1], Unavailable) and not pending[-1].kept
        assert isinstance(in_flight[-1], Unavailable) and in_flight[-1].kept
        assert process.processor.leading() == [1]
        assert find(process.processor, slow) is None
        (refusal,) = await process.call(process.make(world.uid(0)))
        assert isinstance(refusal, Unavailable) and not refusal.kept
        assert len(await process.call(process.make(world.uid(1)))) == 2
        process.log.let_go(0)
        seats._assigned(0)
        await process.until(lambda: len(hung) == 2)
        hung[0].finish(b"of the old term")
        hung[1].finish(b"of the new term")
        replies: list[Reply] = []
        process.processor.engine.attach(slow, replies.append)
        await process.until(lambda: bool(replies))
        assert isinstance(replies[0], Result) and replies[0].outcome == b"of the new term"
        await process.processor.close()

    run(story())


def test_a_partition_that_comes_back_at_once_waits_for_its_store() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        seats = process.processor._seats
        for _ in range(5):
            seats._revoked(0)
            seats._assigned(0)
            await process.until(lambda: process.processor.leading() == [0])
            assert len(await process.call(process.make(world.uid()))) == 2
        await process.processor.close()

    run(story())


class BrittleStore(MemoryStore):
    """Fails when its home says so."""

    def __init__(self, home: "BrittleHome", rows: dict[bytes, bytes] | None = None) -> None:
        super().__init__(home, rows)
        self.brittle = home
        self.get = self._get

    def _get(self, key: bytes) -> bytes | None:
        if self.brittle.good_reads > 0:
            self.brittle.good_reads -= 1
        elif self.brittle.bad_reads > 0:
            self.brittle.bad_reads -= 1
            raise StoreError("no longer readable")
        return self._rows.get(key)

    def write(self, writes: Writes) -> None:
        if self.brittle.failures > 0:
            self.brittle.failures -= 1
            raise StoreError("no room")
        super().write(writes)


class BrittleHome(MemoryHome):
    """A home whose next reads or writes fail."""

    def __init__(self) -> None:
        super().__init__()
        self.failures = self.good_reads = self.bad_reads = 0  # the good ones come first

    def candidates(self) -> Iterator[MemoryStore]:
        for store in super().candidates():
            yield BrittleStore(self, store._rows)


def test_a_store_that_fails_is_restored_from_the_log_and_no_client_is_told_wrong() -> None:
    async def story() -> None:
        world = World(1)
        home = BrittleHome()
        world.homes = [home]
        process = await world.led(spill_s=0.05, spill_rows=5)
        asked = {}
        for number in range(200):
            if number % 40 == 20:
                home.failures = 3
            uid = world.uid()
            asked[uid] = process.send(process.make(uid))
            await asyncio.sleep(0.05)
        await asyncio.sleep(10)
        answered = 0
        for uid, replies in asked.items():
            if isinstance(replies[-1], Unavailable) and not replies[-1].kept:
                assert find(process.processor, uid) is None
            elif replies[0] == Accepted(True):
                answered += 1
                assert isinstance(replies[-1], Result), replies
                assert find(process.processor, uid) is not None
        assert answered > 150
        assert process.processor.telemetry.value(SPILLS) > 5
        await process.processor.close()

    run(story())


def test_a_store_that_fails_while_it_is_restored_is_tried_again_and_none_is_given_up() -> None:
    """A full disk at a start: the copies are all there is of what the log has forgotten."""

    async def story() -> None:
        world = World(1)
        home = BrittleHome()
        world.homes = [home]
        process = await world.led(
            spill_rows=20, spill_s=0.05, flush_records=50, checkpoint_records=100
        )
        ids = [world.uid() for _ in range(300)]
        for uid in ids:
            await process.call(process.make(uid))
        await process.processor.close()
        assert world.topic.firsts[0] > 0
        for field, count in (("failures", 10), ("bad_reads", 10)):
            kept = dict(home.copies)
            home.flushed = dict(kept[min(kept)])  # what a killed process had flushed
            home.copies.pop(max(kept))
            setattr(home, field, count)
            again = await world.led(spill_rows=1)
            assert getattr(home, field) == 0 and home.copies
            assert all(find(again.processor, uid) is not None for uid in ids)
            await again.processor.close()
            home.copies = kept

    run(story())


def test_a_store_that_fails_under_an_append_does_not_make_its_fate_unknown() -> None:
    async def story() -> None:
        world = World(1)
        home = BrittleHome()
        world.homes = [home]
        process = await world.led(spill_s=0.05)
        await process.call(process.make(world.uid()))
        home.failures = 1
        process.log.hold(0)
        replies = process.send(process.make(world.uid()))
        await asyncio.sleep(1)
        assert replies == [] and process.processor.leading() == []
        process.log.let_go(0)
        await process.until(lambda: len(replies) == 2)
        assert replies[0] == Accepted(True)
        await process.processor.close()

    run(story())


def test_a_store_that_fails_under_a_read_is_restored_and_whoever_asked_asks_again() -> None:
    async def story() -> None:
        world = World(1)
        home = BrittleHome()
        world.homes = [home]
        process = await world.led(spill_s=0.05, spill_rows=1)
        done, absent = world.uid(), world.uid()
        await process.call(process.make(done))
        for ask in (process.processor.engine.attach, process.processor.engine.output):
            replies: list[Reply] = []
            home.bad_reads = 1
            ask(absent, replies.append)
            await process.until(lambda replies=replies: bool(replies))  # type: ignore[misc]
            assert isinstance(replies[0], Unavailable) and not replies[0].kept
            await process.until(lambda: process.processor.leading() == [0])
        engine = process.processor.engine
        for answer in (
            lambda: asking.find(engine, absent),
            lambda: asking.collect(engine.journal(absent, 1)),
        ):
            home.bad_reads = 1
            assert isinstance(await answer(), Unavailable)
            await process.until(lambda: process.processor.leading() == [0])
        assert find(process.processor, done) is not None
        assert len(await process.call(process.make(world.uid()))) == 2
        await process.processor.close()

    run(story())


@pytest.mark.parametrize("good_reads", range(8))
def test_a_store_that_fails_while_clients_are_told_leaves_nobody_untold(good_reads: int) -> None:
    async def story() -> None:
        world = World(1)
        home = BrittleHome()
        world.homes = [home]
        process = await world.led(spill_s=0.05, spill_rows=1)
        done = world.uid()
        await process.call(process.make(done))
        await asyncio.sleep(1)
        home.good_reads, home.bad_reads = good_reads, 1
        wanted = (done, world.uid(), done, world.uid())
        told = await asyncio.gather(*(process.call(process.make(one)) for one in wanted))
        assert [replies[0] for replies in told] == [Accepted(one != done) for one in wanted]
        assert all(isinstance(replies[1], Result) for replies in told)
        assert home.bad_reads == 0
        await process.processor.close()

    run(story())


def test_a_store_that_fails_while_its_leader_announces_itself_is_restored() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.process()
        process.log.hold(0)  # the announcement is under way
        await asyncio.sleep(0.2)
        seat = process.processor._seats.get(0)
        assert seat is not None and seat.partition is not None
        seat.lose_store(StoreError("a flush failed"))
        process.log.let_go(0)
        await process.until(lambda: process.processor.leading() == [0])
        assert process.processor.stopped() == {}
        assert len(await process.call(process.make(world.uid()))) == 2
        await process.processor.close()

    run(story())
