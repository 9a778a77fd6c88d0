"""Records that the log or the machine cannot take, and the end of what they belong to."""

import asyncio
from typing import Any

import pytest

from orchestrator.machine.apply import apply
from orchestrator.model.answers import Answer
from orchestrator.model.records import AnyRecord, Journal
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import PAUSED
from orchestrator.processor.port import Unavailable
from orchestrator.tables.state import State
from perdure.wire import codes
from perdure.wire.frames import frame
from tests.unit.processor.looking import find
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, World


def test_a_flush_that_no_message_can_hold_pauses_its_invocation() -> None:
    async def story() -> None:
        world = World(1)
        process = await world.led({"huge": lambda attempt: attempt.finish(b"x" * 2_000_000)})
        process.log.message_bytes_max = 1_500_000
        for seat in process.processor._seats.all():
            seat._message_bytes_max = 1_500_000
        uid = world.uid()
        process.send(process.make(uid, "huge"), wait=False)
        small = process.send(process.make(world.uid()))
        await process.until(lambda: len(small) == 2)
        await process.until(lambda: (uid, True) in process.invoker.stops)
        await asyncio.sleep(0.01)
        row = find(process.processor, uid)
        assert isinstance(row, InvocationRow) and row.status == PAUSED
        assert row.last_failure is not None and "larger" in row.last_failure.message
        await process.processor.close()

    run(story())


def test_a_handler_that_writes_for_ever_is_paused_with_a_reason() -> None:
    async def story() -> None:
        world = World(1)

        def write(attempt: Attempt) -> None:
            attempt.flush(frames=frame(codes.RUN, b"x") * 20)

        process = await world.led({"write": write}, journal_entries_max=10)
        uid = world.uid()
        process.send(process.make(uid, "write"), wait=False)
        await process.until(lambda: (uid, True) in process.invoker.stops)
        await asyncio.sleep(0.1)
        row = find(process.processor, uid)
        assert isinstance(row, InvocationRow) and (row.status, row.entries) == (PAUSED, 1)
        assert row.last_failure is not None and row.last_failure.restate_code == "PD0307"
        await process.processor.close()

    run(story())


def test_a_failing_apply_stops_the_partition_and_spills_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story() -> None:
        world = World(2)
        process = await world.led(spill_s=0.01)
        await process.call(process.make(world.uid(0)))
        await asyncio.sleep(0.5)
        seat = process.processor._seats.get(0)
        assert seat is not None and seat.partition is not None
        applied = seat.partition.next_offset

        def broken(state: State, record: AnyRecord, *rest: Any) -> Answer:
            if state.partition == 0 and isinstance(record, Journal):
                raise AssertionError("rows that contradict each other")
            return apply(state, record, *rest)

        monkeypatch.setattr("orchestrator.processor.partition.apply", broken)
        replies = process.send(process.make(world.uid(0)))
        await process.until(lambda: 0 in process.processor.stopped())
        assert isinstance(replies[-1], Unavailable) and replies[-1].kept
        assert "PD0301" in process.processor.stopped()[0]
        assert len(await process.call(process.make(world.uid(1)))) == 2
        await process.processor.close()
        from orchestrator.store.stamp import read_stamp

        stamp = read_stamp(next(world.homes[0].candidates()))
        assert stamp is not None and applied <= stamp.applied <= applied + 1  # the Invoke, at most

    run(story())
