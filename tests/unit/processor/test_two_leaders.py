"""What the processor does when others lead too, one after the other or at once, or nobody does."""

import asyncio

from orchestrator.model.records import Journal
from orchestrator.processor.port import Accepted, Reply, Result, Unavailable
from tests.unit.processor.looking import find
from tests.unit.processor.test_faults import announcements
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, World


def test_a_second_leader_makes_the_first_harmless() -> None:
    """A zombie's proposals are dropped; what it was asked to take in stays accepted."""

    async def story() -> None:
        world = World(1)
        hung: list[Attempt] = []
        zombie = await world.led({"slow": hung.append}, retry_first_s=1e5)
        zombie.log.is_deaf = True
        slow, late = world.uid(), world.uid()
        zombie.send(zombie.make(slow, "slow"))
        await zombie.until(lambda: len(hung) == 1)
        hung_here: list[Attempt] = []
        heir = await world.led({"slow": hung_here.append})
        await heir.until(lambda: len(hung_here) == 1)
        hung[0].finish(b"zombie")
        zombie.send(zombie.make(late))
        await zombie.until(lambda: zombie.processor.leading() == [])
        assert zombie.invoker.forgotten == 1
        hung_here[0].finish(b"heir")
        waiting: list[Reply] = []
        heir.processor.engine.attach(slow, waiting.append)
        await heir.until(lambda: bool(waiting))
        assert isinstance(waiting[0], Result) and waiting[0].outcome == b"heir"
        await heir.until(lambda: find(heir.processor, late) is not None)
        ends = [r for r in heir.log.records(0) if isinstance(r, Journal) and r.id == slow]
        assert len(ends) == 2
        await heir.processor.close()

    run(story())


def test_what_another_leader_took_before_was_not_created_by_a_zombie() -> None:
    """A zombie's append lands behind that of its successor: its client was not the first."""

    async def story() -> None:
        world = World(1)
        zombie = await world.led({})
        zombie.log.is_deaf = True
        heir = await world.led({})
        known = world.uid()
        heir.send(heir.make(known))
        await heir.until(lambda: find(heir.processor, known) is not None)
        told: list[Reply] = []
        zombie.processor.engine.invoke(zombie.make(known), False, told.append)
        await zombie.until(lambda: bool(told))
        assert isinstance(told[0], Accepted) and not told[0].created
        await heir.processor.close()
        await zombie.processor.close()

    run(story())


def test_of_two_requests_in_one_millisecond_whose_fate_is_unknown_one_created_it() -> None:
    async def story() -> None:
        world = World(1)
        zombie = await world.led({})
        zombie.log.is_deaf = True
        heir = await world.led({})
        known = world.uid()
        zombie.log.lose[0] = False  # its append neither lands nor is answered
        told: list[list[Reply]] = []
        for process in (zombie, heir):
            told.append([])
            process.processor.engine.invoke(process.make(known), False, told[-1].append)
        await zombie.until(lambda: all(told))
        (lost,), (kept,) = told
        assert isinstance(kept, Accepted) and kept.created
        assert isinstance(lost, Accepted) and not lost.created
        await heir.processor.close()
        await zombie.processor.close()

    run(story())


def test_two_assigned_nodes_that_announce_at_once_settle_on_one() -> None:
    async def story() -> None:
        world = World(1)
        first = await world.process(node="a")
        second = await world.process(node="b")
        await first.until(
            lambda: len(first.processor.leading()) + len(second.processor.leading()) > 0
        )
        ids = [world.uid() for _ in range(10)]
        for number, uid in enumerate(ids):
            node = (first, second)[number % 2]
            replies = await node.call(node.make(uid))
            while isinstance(replies[-1], Unavailable):  # it stepped down meanwhile
                await asyncio.sleep(0.2)
                replies = await node.call(node.make(uid))
        ended = [r.id for r in first.log.records(0) if isinstance(r, Journal) and r.end is not None]
        assert set(ended) == set(ids)
        # One goes: the other leads within its backoff.
        await first.processor.close()
        await second.until(lambda: second.processor.leading() == [0])
        assert len(await second.call(second.make(world.uid()))) == 2
        await second.processor.close()

    run(story())


def test_a_repeated_announcement_of_the_past_changes_nothing() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        world.topic.values[0].append(world.topic.values[0][0])
        assert len(await process.call(process.make(world.uid()))) == 2
        assert process.processor.leading() == [0]
        assert announcements(process) == 2  # the repeated one
        await process.processor.close()

    run(story())


def test_clients_wait_through_a_short_time_without_a_leader() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.process(retry_first_s=0.1, retry_max_s=0.2)
        process.log.refuse.add(0)
        await asyncio.sleep(0.01)
        replies = process.send(process.make(world.uid()))
        await asyncio.sleep(1.5)
        process.log.refuse.clear()
        await process.until(lambda: len(replies) == 2)
        assert replies[0] == Accepted(True)
        await process.processor.close()

    run(story())


def test_without_a_leader_for_long_clients_are_sent_away() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.process()
        process.log.refuse.add(0)
        early = process.send(process.make(world.uid()))
        await process.until(lambda: bool(early))
        assert isinstance(early[0], Unavailable) and not early[0].kept
        (refusal,) = await process.call(process.make(world.uid()))
        assert isinstance(refusal, Unavailable) and not refusal.kept
        process.log.refuse.clear()
        await process.until(lambda: process.processor.leading() == [0])
        assert len(await process.call(process.make(world.uid()))) == 2
        await process.processor.close()

    run(story())
