"""The processor over a memory log: calls, pace, write-behind, restarts."""

import asyncio

import pytest

from orchestrator.model.answers import Answer
from orchestrator.model.records import AnnounceLeader, Invoke, Journal
from orchestrator.processor.port import Accepted, NotReady, Reply, Result, Unavailable, Unknown
from orchestrator.runtime.kinds import PLACES
from orchestrator.store.memory import MemoryHome
from tests.unit.processor.comparing import compare
from tests.unit.processor.looking import export, find, journal
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, World


def test_a_call_is_accepted_run_and_answered() -> None:
    async def story() -> None:
        process = await World().led()
        uid = process.world.uid(1)
        accepted, result = await process.call(process.make(uid))
        assert accepted == Accepted(True)
        assert isinstance(result, Result)
        assert (result.outcome, result.replayed) == (b"echo:in", False)
        kinds = [type(record) for record in process.log.records(1)]
        assert kinds == [AnnounceLeader, Invoke, Journal]
        await process.processor.close()

    run(story())


def test_the_same_id_again_is_not_created_and_gets_the_result_at_once() -> None:
    async def story() -> None:
        process = await World().led()
        uid = process.world.uid()
        await process.call(process.make(uid))
        accepted, result = await process.call(process.make(uid))
        assert accepted == Accepted(False)
        assert isinstance(result, Result) and result.replayed
        assert len(process.invoker.starts) == 1
        await process.processor.close()

    run(story())


def test_the_same_id_again_is_told_when_it_starts() -> None:
    async def story() -> None:
        process = await World().led()
        uid = process.world.uid()
        start_at_ms = process.clock.now_ms() + 5_000
        process.send(process.make(uid, start_at_ms=start_at_ms), wait=False)
        for delay_ms in (1_000, 0):
            again = process.make(uid, start_at_ms=process.clock.now_ms() + delay_ms)
            replies = process.send(again, wait=False)
            await process.until(lambda replies=replies: bool(replies))
            assert replies == [Accepted(False, start_at_ms)]
        await asyncio.sleep(6)
        replies = process.send(process.make(uid), wait=False)
        await process.until(lambda: bool(replies))
        assert replies == [Accepted(False)]
        await process.processor.close()

    run(story())


def test_attach_and_output_before_and_after_the_result() -> None:
    async def story() -> None:
        waiting: list[Attempt] = []
        process = await World().led({"slow": waiting.append})
        uid = process.world.uid()
        process.send(process.make(uid, "slow"), wait=False)
        await process.until(lambda: bool(waiting))
        replies: list[Reply] = []
        gone: list[Reply] = []
        process.processor.engine.attach(uid, replies.append)
        forget = process.processor.engine.attach(uid, gone.append)
        forget()
        process.processor.engine.output(uid, replies.append)
        process.processor.engine.attach(process.world.uid(), replies.append)
        await asyncio.sleep(0.01)
        assert replies == [NotReady(), Unknown()]
        waiting[0].finish(b"done")
        await process.until(lambda: len(replies) == 3)
        assert isinstance(replies[2], Result) and replies[2].outcome == b"done"
        assert gone == []
        process.processor.engine.output(uid, replies.append)
        await asyncio.sleep(0)
        assert isinstance(replies[3], Result) and replies[3].replayed
        await process.processor.close()

    run(story())


def test_what_comes_together_is_one_append_with_one_message_per_partition() -> None:
    async def story() -> None:
        process = await World(4).led()
        before = len(process.log.appends)
        for number in range(200):
            process.send(process.make(process.world.uid(number % 4)))
        await asyncio.sleep(0)
        assert process.log.appends[before:] == [{0: 1, 1: 1, 2: 1, 3: 1}]
        await process.until(lambda: len(process.invoker.starts) == 200)
        await process.processor.close()

    run(story())


def test_a_turn_larger_than_a_message_is_split() -> None:
    async def story() -> None:
        process = await World(1).led()
        before = len(process.log.appends)
        body = b"x" * 300_000
        replies = [process.send(process.make(process.world.uid(), body=body)) for _ in range(9)]
        await process.until(lambda: all(len(got) == 2 for got in replies))
        assert process.log.appends[before][0] >= 3
        assert max(map(len, process.world.topic.values[0])) < 1.1 * 2**20
        await process.processor.close()

    run(story())


def test_a_loaded_process_waits_between_turns_and_an_idle_one_does_not() -> None:
    async def story() -> None:
        idle: list[Attempt] = []
        process = await World(1).led({"hang": idle.append})
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        await process.call(process.make(process.world.uid()))
        assert loop.time() - start_s <= 0.0021  # one step of `until`
        process.invoker.running.clear()
        for _ in range(1_000):
            process.send(process.make(process.world.uid(), "hang"))
        await process.until(lambda: len(idle) == 1_000)
        before, start_s = len(process.log.appends), loop.time()
        while loop.time() - start_s < 0.1:
            process.send(process.make(process.world.uid(), "hang"))
            await asyncio.sleep(0.0003)
        turns = len(process.log.appends) - before
        assert 40 <= turns <= 51
        await process.processor.close()

    run(story())


def test_a_restart_finds_everything_and_goes_on_with_what_ran() -> None:
    async def story() -> None:
        world = World()
        hung: list[Attempt] = []
        process = await world.led({"slow": hung.append})
        done, slow = world.uid(0), world.uid(0)
        await process.call(process.make(done))
        process.send(process.make(slow, "slow"))
        await process.until(lambda: bool(hung))
        await process.processor.close()

        again = await world.led({"slow": lambda attempt: attempt.finish(b"at last")})
        accepted, result = await again.call(again.make(done))
        assert accepted == Accepted(False)
        assert isinstance(result, Result) and result.outcome == b"echo:in"
        await again.until(lambda: find(again.processor, slow) is not None)
        replies: list[Reply] = []
        again.processor.engine.attach(slow, replies.append)
        await again.until(lambda: bool(replies))
        assert isinstance(replies[0], Result) and replies[0].outcome == b"at last"
        await again.processor.close()

    run(story())


def test_a_killed_process_loses_nothing_that_was_accepted() -> None:
    async def story() -> None:
        world = World(2)
        first = await world.led(spill_s=1e9, spill_rows=7, flush_records=20)
        ids = [world.uid(number % 2) for number in range(60)]
        for uid in ids:
            await first.call(first.make(uid))
        # No close: what was not flushed is lost with the process.
        second = await world.led()
        for uid in ids:
            (accepted, result) = await second.call(second.make(uid))
            assert accepted == Accepted(False)
            assert isinstance(result, Result) and result.outcome == b"echo:in"
        await second.processor.close()

    run(story())


def test_checkpoints_let_the_log_forget_and_a_restart_still_knows() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led(
            spill_rows=20, spill_s=0.05, flush_records=50, checkpoint_records=100
        )
        ids = [world.uid() for _ in range(400)]
        for uid in ids:
            await process.call(process.make(uid))
        assert len(world.homes[0].copies) == 2
        assert world.topic.firsts[0] > 0
        older = min(world.homes[0].copies)
        assert world.topic.firsts[0] == older - 1
        world.homes[0].flushed = {}  # the live store is gone: only the copies are left
        again = await world.led()
        assert all(find(again.processor, uid) is not None for uid in ids)
        await again.processor.close()

    run(story())


def test_an_idle_partition_does_not_keep_the_log_of_a_busy_one() -> None:
    """The embedded log forgets only what no partition needs."""

    async def story() -> None:
        world = World(2)
        options = {"spill_rows": 20, "spill_s": 0.05, "flush_records": 50}
        process = await world.led(**options, checkpoint_records=100, lag_bytes=20_000)
        begun = world.topic.next_offset(1)
        for _ in range(400):
            await process.call(process.make(world.uid(0)))
            await asyncio.sleep(0.02)
        assert world.topic.firsts[1] >= begun
        assert world.topic.next_offset(1) < 20
        await process.processor.close()
        at = dict(world.topic.firsts)
        told: list[tuple[int, int]] = []
        again = await world.process(**options)
        again.log.trim = lambda *given: told.append(given)  # type: ignore[method-assign]
        await again.until(lambda: sorted(told) == sorted((n, at[n]) for n in (0, 1)))
        assert again.processor.stopped() == {}
        await again.processor.close()

    run(story())


def test_a_log_that_outlives_this_disk_is_not_trimmed() -> None:
    async def story() -> None:
        world = World(1)
        options = {"spill_rows": 20, "spill_s": 0.05, "flush_records": 50}
        process = await world.led(**options, checkpoint_records=100, trims=False)
        ids = [world.uid() for _ in range(300)]
        for uid in ids:
            await process.call(process.make(uid))
        assert len(world.homes[0].copies) == 2
        await process.processor.close()
        assert world.topic.firsts[0] == 0
        world.homes = [MemoryHome()]  # another disk
        again = await world.led()
        assert all(find(again.processor, uid) is not None for uid in ids)
        await again.processor.close()

    run(story())


def test_state_is_never_lost_silently() -> None:
    """A log that begins later than every store reaches stops the partition, and only that one."""

    async def story() -> None:
        world = World(2)
        process = await world.led()
        for _ in range(5):
            await process.call(process.make(world.uid(0)))
        await process.processor.close()
        world.homes[0].flushed = {}
        world.topic.trim(0, 4)
        again = await world.process()
        await again.until(lambda: again.processor.leading() == [1])
        await again.until(lambda: 0 in again.processor.stopped())
        assert "PD0304" in again.processor.stopped()[0]
        (refusal,) = await again.call(again.make(world.uid(0)))
        assert isinstance(refusal, Unavailable) and not refusal.kept
        assert len(await again.call(again.make(world.uid(1)))) == 2
        await again.processor.close()

    run(story())


def test_a_store_of_another_log_is_not_used() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        uid = world.uid()
        await process.call(process.make(uid))
        await process.processor.close()
        stored = world.homes[0].flushed
        assert any(key.startswith(b"c") for key in stored)
        other = World(1)
        other.homes = world.homes
        other.topic.identity = b"made anew"
        other.numbers = world.numbers
        again = await other.led()
        assert find(again.processor, uid) is None
        await again.processor.close()

    run(story())


def test_a_store_ahead_of_a_log_that_loses_nothing_stops_its_partition() -> None:
    async def story() -> None:
        world = World(2)
        world.topic.may_lose_its_tail = False
        process = await world.led()
        await process.call(process.make(world.uid(0)))
        await process.processor.close()
        world.topic.cut(0, world.topic.next_offset(0) - 1)
        for _ in range(2):
            processor = (again := await world.process()).processor
            await again.until(lambda stopped=processor.stopped: 0 in stopped())
            assert "PD0108" in processor.stopped()[0]
            assert "its store holds what was acknowledged" in processor.stopped()[0]
            await again.call(again.make(world.uid(1)))
            await processor.close()

    run(story())


def test_a_store_ahead_of_a_log_that_lost_its_tail_is_not_used() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        kept, lost = world.uid(), world.uid()
        await process.call(process.make(kept))
        end = world.topic.next_offset(0)
        await process.call(process.make(lost))
        await process.processor.close()
        world.topic.cut(0, end)
        again = await world.led()
        assert find(again.processor, kept) is not None
        assert find(again.processor, lost) is None
        # The tail was written anew by others: the same offsets, other messages.
        await again.processor.close()
        world.topic.cut(0, end)
        world.topic.values[0].append(world.topic.values[0][0])
        world.topic.values[0].append(world.topic.values[0][0])
        third = await world.led()
        assert find(third.processor, kept) is not None
        await third.processor.close()
        compare(world)

    run(story())


@pytest.mark.parametrize(
    "message",
    [b"\x01\xff nonsense", b"", b"\x02", b"\x01\x91\x94\x02\xa1\xff\x01\x01"],
    ids=["no records", "empty", "another version", "text that is no UTF-8"],
)
def test_an_undecodable_message_stops_its_partition_and_can_be_skipped(message: bytes) -> None:
    async def story() -> None:
        world = World(2)
        process = await world.led()
        uid = world.uid(0)
        await process.call(process.make(uid))
        await process.processor.close()
        world.topic.values[0].append(message)
        offset = world.topic.next_offset(0) - 1
        again = await world.process()
        await again.until(lambda: 0 in again.processor.stopped())
        assert f"PD0300: the message at offset {offset}" in again.processor.stopped()[0]
        assert len(await again.call(again.make(world.uid(1)))) == 2
        await again.processor.close()
        by_place = {"skip_messages": PLACES.parse(f"1/0, 0/{offset}")}
        for skips in ({"skip": lambda *place: place == (0, offset)}, by_place):
            third = await world.led(**skips)
            assert find(third.processor, uid) is not None
            await third.processor.close()

    run(story())


def test_an_operation_is_answered_with_what_became_of_it() -> None:
    from orchestrator.model.records import Cancel, PatchState, Purge

    async def story() -> None:
        process = await World(3).led()
        uid = process.world.uid(2)
        now_ms = process.clock.now_ms()
        assert await process.operate(Cancel(uid, now_ms)) == Answer.NOT_FOUND
        await process.call(process.make(uid))
        assert await process.operate(Cancel(uid, now_ms)) == Answer.ALREADY_COMPLETED
        assert await process.operate(Purge(uid, now_ms)) == Answer.DONE
        assert find(process.processor, uid) is None
        patch = PatchState("S", "k", False, None, ((b"a", b"1"),), now_ms)
        assert await process.operate(patch) in (Answer.DONE, Answer.ACCEPTED)
        await process.processor.close()

    run(story())


def test_the_journal_begins_with_the_input() -> None:
    async def story() -> None:
        process = await World(1).led()
        uid = process.world.uid()
        await process.call(process.make(uid))
        (_, given), (_, output) = journal(process.processor, uid)
        assert b"in" in given and output.endswith(b"echo:in")
        assert journal(process.processor, process.world.uid()) == []
        assert [key[1:25] for key, _ in export(process.processor, b"c")] == [uid]
        await process.processor.close()

    run(story())
