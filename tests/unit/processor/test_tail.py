"""A leader follows its partition: what others write, what comes back, and what was passed by."""

import asyncio

from orchestrator.codec.records import encode_message
from tests.unit.processor.looking import find
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Process, World


def _count(process: Process, name: str) -> list[int]:
    """Counts the calls of a method of the log from now on."""
    calls: list[int] = []
    method = getattr(process.log, name)

    def counted(*args: object) -> object:
        calls.append(1)
        return method(*args)

    setattr(process.log, name, counted)
    return calls


def _foreign(world: World, process: Process) -> tuple[bytes, bytes]:
    uid = world.uid()
    return uid, encode_message([process.make(uid, body=b"foreign")])


def test_what_others_write_is_applied_as_it_comes_without_a_read() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        await asyncio.sleep(1)
        reads = _count(process, "read")
        uids = []
        for _ in range(3):
            uid, message = _foreign(world, process)
            uids.append(uid)
            world.topic.append(0, [message])
            await process.until(lambda uid=uid: find(process.processor, uid) is not None, 0.05)  # type: ignore[misc]
        await process.until(lambda: len(process.invoker.starts) == 3, 0.05)
        assert [uid for uid, _ in process.invoker.starts] == uids and not reads
        await process.processor.close()

    run(story())


def test_own_appends_that_come_back_cost_no_read_and_count_once() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        await asyncio.sleep(1)
        reads = _count(process, "read")
        for delay_s in (0.0, 0.02):  # they come back after they are acknowledged, and before
            process.log.ack_delay_s = delay_s
            for _ in range(20):
                assert len(await process.call(process.make(world.uid()))) == 2
        assert not reads and len(process.invoker.starts) == 40
        await process.processor.close()

    run(story())


def test_an_idle_leader_asks_its_log_nothing() -> None:
    async def story() -> None:
        process = await World(2).led()
        await asyncio.sleep(1)
        asked = [_count(process, name) for name in ("read", "bounds", "append", "follow")]
        await asyncio.sleep(600)
        assert not any(asked)
        await process.processor.close()

    run(story())


def test_a_gap_before_what_is_heard_is_read_before_anything_is_applied() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        await asyncio.sleep(1)
        reads = _count(process, "read")
        unheard, message = _foreign(world, process)
        world.topic.values[0].append(message)
        heard, message = _foreign(world, process)
        world.topic.append(0, [message])
        await process.until(lambda: len(process.invoker.starts) == 2, 0.05)
        assert [uid for uid, _ in process.invoker.starts] == [unheard, heard]
        assert len(reads) == 1
        await process.processor.close()

    run(story())


def test_what_is_heard_behind_an_append_in_flight_is_read_once_that_is_answered() -> None:
    """Others write behind an append that is not answered yet; then it is."""

    async def story() -> None:
        world = World(1)
        process = await world.led()
        await asyncio.sleep(1)
        process.log.ack_delay_s = 0.5
        process.send(process.make(world.uid()), wait=False)
        await asyncio.sleep(0.1)
        foreign, message = _foreign(world, process)
        world.topic.append(0, [message])
        await asyncio.sleep(0.1)
        assert find(process.processor, foreign) is None, "it may be applied in its place only"
        await process.until(lambda: find(process.processor, foreign) is not None, 0.7)
        process.log.ack_delay_s = 0.0
        assert len(await process.call(process.make(world.uid()))) == 2
        await process.processor.close()

    run(story())


def test_the_tail_that_is_lost_under_an_idle_leader_is_noticed_at_once() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led({"never": lambda _: None}, spill_s=0.01)
        kept, lost = world.uid(), world.uid()
        await process.call(process.make(kept))
        end = world.topic.next_offset(0)
        process.send(process.make(lost, "never"), wait=False)
        await process.until(lambda: find(process.processor, lost) is not None)
        await asyncio.sleep(1)
        world.topic.cut(0, end)
        await process.until(lambda: find(process.processor, lost) is None, 1.0)
        await process.until(lambda: process.processor.leading() == [0], 1.0)
        assert find(process.processor, kept) is not None
        await process.processor.close()

    run(story())
