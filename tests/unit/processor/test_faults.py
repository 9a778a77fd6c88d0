"""What the processor does when the log refuses, loses, stalls, or is written to by others."""

import asyncio

import msgspec
import pytest

from orchestrator.codec.records import encode_message
from orchestrator.log.port import Batch, Deliver, Done, Rest
from orchestrator.model.answers import Answer
from orchestrator.model.records import AnnounceLeader, Cancel, Ended, Journal
from orchestrator.processor.port import Accepted, Reply, Result, Unavailable
from tests.unit.processor.looking import find
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, Process, World


def announcements(process: Process, partition: int = 0) -> int:
    return sum(isinstance(r, AnnounceLeader) for r in process.log.records(partition))


def test_refused_appends_tell_the_client_and_keep_what_the_engine_owes() -> None:
    async def story() -> None:
        hung: list[Attempt] = []
        process = await World(1).led({"slow": hung.append})
        slow = process.world.uid()
        waiting = process.send(process.make(slow, "slow"))
        await process.until(lambda: bool(hung))
        process.log.refuse.add(0)
        hung[0].finish(b"kept")
        (refusal,) = await process.call(process.make(process.world.uid()))
        assert refusal == Unavailable("the log is full", False)
        await asyncio.sleep(0.5)
        assert len(waiting) == 1
        process.log.refuse.clear()
        await process.until(lambda: len(waiting) == 2)
        assert isinstance(waiting[1], Result) and waiting[1].outcome == b"kept"
        assert announcements(process) == 1  # it never stepped down
        await process.processor.close()

    run(story())


def test_a_lost_append_that_landed_is_found_and_answered() -> None:
    async def story() -> None:
        process = await World(2).led()
        process.log.lose[0] = True
        accepted, result = await process.call(process.make(process.world.uid(0)))
        assert accepted == Accepted(True)
        assert isinstance(result, Result) and result.outcome == b"echo:in"
        assert announcements(process, 0) == 2
        assert announcements(process, 1) == 1
        assert len(await process.call(process.make(process.world.uid(0)))) == 2
        await process.processor.close()

    run(story())


def test_of_two_lost_appends_of_one_id_that_landed_one_created_it() -> None:
    async def story() -> None:
        process = await World(1).led()
        process.log.lose[0] = True
        uid = process.world.uid()
        both = await asyncio.gather(
            process.call(process.make(uid)), process.call(process.make(uid))
        )
        assert [replies[0] for replies in both] == [Accepted(True), Accepted(False)]
        await process.processor.close()

    run(story())


def test_a_lost_append_that_did_not_land_is_of_unknown_fate_to_its_client() -> None:
    async def story() -> None:
        process = await World(1).led()
        process.log.lose[0] = False
        uid = process.world.uid()
        (refusal,) = await process.call(process.make(uid))
        assert isinstance(refusal, Unavailable) and refusal.kept
        accepted, _ = await process.call(process.make(uid))
        assert accepted == Accepted(True)
        await process.processor.close()

    run(story())


def test_an_operation_of_unknown_fate_is_not_answered_as_done() -> None:
    async def story() -> None:
        process = await World(1).led()
        process.log.lose[0] = True
        answer = await process.operate(Cancel(process.world.uid(), process.clock.now_ms()))
        assert isinstance(answer, Unavailable) and answer.kept
        answer = await process.operate(Cancel(process.world.uid(), process.clock.now_ms()))
        assert answer == Answer.NOT_FOUND
        await process.processor.close()

    run(story())


def test_a_lost_proposal_of_an_attempt_is_made_good_by_the_next_term() -> None:
    """Landed or not: the invocation ends once, and what the old term still says is dropped."""

    async def story(landed: bool) -> None:
        world = World(1)
        hung: list[Attempt] = []
        process = await world.led({"slow": hung.append})
        uid = world.uid()
        waiting = process.send(process.make(uid, "slow"))
        await process.until(lambda: len(hung) == 1)
        process.log.lose[0] = landed
        hung[0].finish(b"first")
        if not landed:
            await process.until(lambda: len(hung) == 2)
            hung[0].finish(b"from the grave")
            await asyncio.sleep(0.1)
            assert len(waiting) == 1
            hung[1].finish(b"second")
        await process.until(lambda: len(waiting) == 2)
        assert isinstance(waiting[1], Result)
        assert waiting[1].outcome == (b"first" if landed else b"second")
        await process.processor.close()

    run(story(True))
    run(story(False))


def test_a_stalled_partition_does_not_hold_back_the_others() -> None:
    async def story() -> None:
        process = await World(2).led()
        process.log.hold(0)
        stuck = process.send(process.make(process.world.uid(0)))
        await asyncio.sleep(0.05)
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        for _ in range(20):
            assert len(await process.call(process.make(process.world.uid(1)))) == 2
        assert loop.time() - start_s < 0.1
        assert stuck == []
        process.log.let_go(0)
        await process.until(lambda: len(stuck) == 2)
        await process.processor.close()

    run(story())


def test_the_door_closes_after_two_seconds_and_opens_by_itself() -> None:
    async def story() -> None:
        process = await World(1).led()
        process.log.hold(0)
        first = process.send(process.make(process.world.uid()))
        await asyncio.sleep(1.5)
        second = process.send(process.make(process.world.uid()))
        await asyncio.sleep(0.6)
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        (refusal,) = await process.call(process.make(process.world.uid()))
        assert isinstance(refusal, Unavailable) and not refusal.kept
        assert loop.time() - start_s < 0.01
        assert process.processor.engine.writable() != ""
        await asyncio.sleep(0.1)
        assert first == []  # it was handed over
        (refusal,) = second  # it was not
        assert isinstance(refusal, Unavailable) and not refusal.kept
        process.log.let_go(0)
        await process.until(lambda: len(first) == 2)
        assert process.processor.engine.writable() == ""
        assert len(await process.call(process.make(process.world.uid()))) == 2
        assert announcements(process) == 1
        await process.processor.close()

    run(story())


def test_what_waits_for_a_leader_is_refused_in_time_after_a_quiet_leader_is_gone() -> None:
    async def story() -> None:
        process = await World(1).led()
        await asyncio.sleep(2.0)  # nothing is unsettled: nobody looks
        seat = process.processor._seats.get(0)
        assert seat is not None
        process.log.read_delay_s = 60.0
        seat.step_down("a test")
        await asyncio.sleep(0.5)
        replies = process.send(process.make(process.world.uid()))
        await asyncio.sleep(2.0)
        (refusal,) = replies
        assert isinstance(refusal, Unavailable) and not refusal.kept

    run(story())


def test_services_are_held_back_while_proposals_of_their_partition_pile_up() -> None:
    async def story() -> None:
        process = await World(2).led(pending_records_max=500)
        process.log.hold(0)
        sent = [process.send(process.make(process.world.uid()))]
        await asyncio.sleep(0.05)  # in flight, and the rest behind it
        ids = [process.world.uid() for _ in range(501)]
        sent += [process.send(process.make(i)) for i in ids]
        seat = process.processor._seats.get(0)
        assert seat is not None and seat.term is not None
        source = seat.term.source
        await process.until(lambda: process.invoker.held_back == [(source, True)])
        process.log.let_go(0)
        await process.until(lambda: process.invoker.held_back == [(source, True), (source, False)])
        await process.until(lambda: all(len(replies) == 2 for replies in sent))
        await process.processor.close()

    run(story())


def test_a_log_that_is_not_writable_closes_the_door_with_its_reason() -> None:
    async def story() -> None:
        process = await World(1).led()
        process.log.unwritable = "the disk is full"
        await asyncio.sleep(0.2)
        (refusal,) = await process.call(process.make(process.world.uid()))
        assert refusal == Unavailable("the disk is full", False)
        process.log.unwritable = ""
        await asyncio.sleep(0.2)
        assert len(await process.call(process.make(process.world.uid()))) == 2
        await process.processor.close()

    run(story())


def test_others_messages_are_read_and_applied_in_their_place() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        foreign = world.uid()
        world.topic.values[0].append(encode_message([process.make(foreign, body=b"foreign")]))
        accepted, result = await process.call(process.make(world.uid()))
        assert accepted == Accepted(True) and isinstance(result, Result)
        await process.until(lambda: len(process.invoker.starts) == 2)
        assert process.invoker.starts[0][0] == foreign
        replies: list[Reply] = []
        process.processor.engine.attach(foreign, replies.append)
        await process.until(lambda: bool(replies))
        assert isinstance(replies[0], Result) and replies[0].outcome == b"echo:foreign"
        assert announcements(process) == 1
        await process.processor.close()

    run(story())


def test_a_result_that_comes_just_before_the_announcement_is_told() -> None:
    """Another leader completes the call after the log was read to its end, before one's own
    announcement."""

    async def story() -> None:
        world = World(1)
        hung: list[Attempt] = []
        process = await world.led({"slow": hung.append})
        replies = process.send(process.make(world.uid(), "slow"))
        await process.until(lambda: len(hung) == 1)
        values = world.topic.values[0]
        other = AnnounceLeader("other", 1, hung[0].input.epoch)
        world.topic.append(0, [encode_message([other])])
        ended = msgspec.structs.replace(
            _end_of(hung[0]), epoch=len(values) - 1, now_ms=process.clock.now_ms()
        )
        append = process.log.append

        def late(batch: Batch, done: Done) -> None:
            if announcements(process) == 2:  # the first one and the other's
                values.append(encode_message([ended]))
            append(batch, done)

        process.log.append = late  # type: ignore[method-assign]
        await process.until(lambda: any(isinstance(reply, Result) for reply in replies))
        assert announcements(process) == 3
        await process.processor.close()

    run(story())


def _end_of(attempt: Attempt) -> Journal:
    given = attempt.input
    return Journal(
        0, given.invoke.id, given.incarnation, given.attempt, 0, None, b"", 0, 0, (), Ended()
    )


def test_others_messages_are_seen_even_if_nothing_is_appended_here() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        foreign = world.uid()
        await asyncio.sleep(3)
        world.topic.append(0, [encode_message([process.make(foreign)])])
        await process.until(lambda: bool(process.invoker.starts), 0.05)
        assert process.invoker.starts[0][0] == foreign
        await process.processor.close()

    run(story())


def test_what_others_wrote_is_read_while_own_appends_are_acknowledged_late() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led()
        process.log.ack_delay_s = 0.03
        process.log.read_delay_s = 0.02
        calls = []
        for number in range(60):
            calls.append(process.send(process.make(world.uid())))
            if number % 3 == 0:
                foreign = encode_message([process.make(world.uid())])
                world.topic.append(0, [foreign])
            await asyncio.sleep(0.01)
        await process.until(lambda: all(len(got) == 2 for got in calls))
        await process.until(lambda: len(process.invoker.starts) == 80)
        assert announcements(process) == 1
        await process.processor.close()

    run(story())


def test_a_read_that_ends_too_early_makes_nobody_step_over_what_others_wrote() -> None:
    """As from a broker that just became the leader and does not know yet how much counts."""

    async def story() -> None:
        world = World(1)
        process = await world.led()
        process.log.is_deaf = True
        foreign = world.uid()
        world.topic.values[0].append(encode_message([process.make(foreign)]))
        read = process.log.read
        early = [True, True, True]

        async def lagging(partition: int, offset: int, deliver: Deliver, rest: Rest) -> int:
            return offset if early and early.pop() else await read(partition, offset, deliver, rest)

        process.log.read = lagging  # type: ignore[method-assign]
        accepted, result = await process.call(process.make(world.uid()))
        assert accepted == Accepted(True) and isinstance(result, Result) and not early
        assert find(process.processor, foreign) is not None
        assert announcements(process) == 1
        await process.processor.close()

    run(story())


def test_nothing_is_appended_while_what_others_wrote_is_read() -> None:
    """Else the own message could be read back before it is acknowledged, and count twice."""

    async def story() -> None:
        world = World(1)
        process = await world.led()
        process.log.ack_delay_s = 0.05
        process.log.read_delay_s = 0.02
        calls: list[list[Reply]] = []
        process.log.on_read = lambda: calls.append(process.send(process.make(world.uid())))
        world.topic.values[0].append(encode_message([process.make(world.uid())]))
        world.topic.append(0, [encode_message([process.make(world.uid())])])  # there is a gap
        await process.until(lambda: len(process.invoker.starts) >= 3)
        await process.until(lambda: all(len(got) == 2 for got in calls))
        assert calls and process.processor.stopped() == {}
        await process.processor.close()

    run(story())


@pytest.mark.parametrize("moment", ["restores", "announces"])
def test_a_partition_whose_log_goes_before_it_leads_stops_for_that(moment: str) -> None:
    async def story() -> None:
        world = World(1)
        if moment == "restores":
            process = await world.process()
            process.log.read_delay_s = 0.3
        else:
            process = Process(world, {}, {})
            await process.log.open()
            process.log.hold(0)
            process.processor.start()
        await asyncio.sleep(0.1)
        seat = process.processor._seats.get(0)
        assert seat is not None and (seat.partition is None) == (moment == "restores")
        seat.stop("PD0109 the log is gone")
        if moment == "announces":
            process.log.let_go(0)
        await asyncio.sleep(1.0)
        assert seat.stopped == "PD0109 the log is gone" and seat.term is None
        await process.processor.close()

    run(story())
