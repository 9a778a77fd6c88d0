"""The way in: answers by callback, streams with flow control, and what cannot be asked."""

import asyncio
from collections.abc import Iterator

import pytest

from orchestrator.processor import asking
from orchestrator.processor.admission import NOT_LED
from orchestrator.processor.port import CHUNK_BYTES_MAX, Chunk, Unavailable, Unknown
from orchestrator.store.port import StoreError
from orchestrator.tables.port import Pair
from tests.unit.processor.looking import find
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import Attempt, Process, World


def test_nothing_is_answered_before_the_call_returns() -> None:
    async def story() -> None:
        process = await World(1).led()
        uid = process.world.uid()
        await process.call(process.make(uid))
        engine = process.processor.engine
        answers: list[object] = []
        engine.find(uid, answers.append)
        engine.output(uid, answers.append)
        engine.find(process.world.uid(), answers.append)
        stream = engine.export(0, [b"c"], [b""])
        stream.pull(answers.append)
        assert answers == []
        await asyncio.sleep(0.01)
        assert len(answers) == 4 and isinstance(answers[2], Unknown)
        await process.processor.close()

    run(story())


def test_every_question_about_a_partition_nobody_leads_is_answered_with_unavailable() -> None:
    async def story() -> None:
        process = await World(2).led()
        engine = process.processor.engine
        uid = process.world.uid(1)
        await process.call(process.make(uid))
        process.processor._seats._revoked(1)
        await asyncio.sleep(0.1)
        assert engine.unreadable() == {1: NOT_LED}
        process.log.unwritable = "Kafka at b:1: 1/1 brokers are down"
        assert engine.unreadable() == {1: f"{NOT_LED}: Kafka at b:1: 1/1 brokers are down"}
        row = await asking.find(engine, uid)
        journal = await asking.collect(engine.journal(uid, 1))
        exported = await asking.collect(engine.export(1, [b"c"], [b""]))
        for answer in (row, journal, exported):
            assert isinstance(answer, Unavailable) and not answer.kept
            assert "brokers are down" in answer.reason
        process.log.unwritable = ""
        assert await asking.collect(engine.export(0, [b"c"], [b""])) == []
        await process.processor.close()

    run(story())


async def _filled(count: int, size: int) -> Process:
    process = await World(1).led()
    uids = [process.world.uid() for _ in range(count)]
    await asyncio.gather(*(process.call(process.make(uid, body=bytes(size))) for uid in uids))
    return process


@pytest.mark.parametrize("count", [20, 40])
def test_a_chunk_is_bounded_and_nothing_is_read_that_is_not_pulled(count: int) -> None:
    async def story() -> None:
        process = await _filled(count, 300_000)
        stream = process.processor.engine.export(0, [b"n"], [b""])  # inputs
        sizes: list[int] = []
        async for some in asking.chunks(stream):
            assert not isinstance(some, Unavailable)
            sizes.append(sum(len(value) for _, value in some))
        assert sum(sizes) > count * 300_000
        assert max(sizes) < CHUNK_BYTES_MAX + 700_000
        assert len(sizes) >= count * 300_000 // CHUNK_BYTES_MAX
        await process.processor.close()

    run(story())


def test_a_stream_that_is_cancelled_answers_no_more() -> None:
    async def story() -> None:
        process = await _filled(8, 300_000)
        taken: list[Chunk[Pair] | Unavailable] = []
        stream = process.processor.engine.export(0, [b"c"], [b""])
        stream.pull(taken.append)
        await asyncio.sleep(0.01)
        stream.pull(taken.append)
        stream.cancel()
        await asyncio.sleep(0.01)
        assert len(taken) == 1
        await process.processor.close()

    run(story())


def test_the_rows_of_one_id_lie_together_and_are_of_one_moment() -> None:
    def long(attempt: Attempt) -> None:
        for _ in range(3):
            attempt.flush(frames=b"\x04\x01\x00\x00\x00\x00\x40\x00" + bytes(0x4000))
        attempt.finish(b"done")

    async def story() -> None:
        process = await World(1).led({"long": long})
        uids = sorted(process.world.uid() for _ in range(5))
        for uid in uids:
            await process.call(process.make(uid, "long"))
        stream = process.processor.engine.export(0, [b"i", b"c", b"j"], [b""])
        await process.call(process.make(process.world.uid()))  # comes too late for it
        rows = await asking.collect(stream)
        assert not isinstance(rows, Unavailable)
        of_ids = [key[1:25] for key, _ in rows]
        assert sorted(set(of_ids)) == uids and of_ids == sorted(of_ids)
        assert len(of_ids) > 2 * len(uids), "with the rows of their journals"
        assert all(key[:1] == b"c" for key, _ in rows if len(key) == 25)
        some = await asking.collect(process.processor.engine.export(0, [b"c"], uids[1:3]))
        assert not isinstance(some, Unavailable) and [key[1:] for key, _ in some] == uids[1:3]
        await process.processor.close()

    run(story())


def test_a_journal_is_pulled_in_chunks_and_only_for_its_incarnation() -> None:
    def long(attempt: Attempt) -> None:
        for _ in range(40):
            attempt.flush(frames=b"\x04\x01\x00\x00\x00\x01\x00\x00" + bytes(0x10000))
        attempt.finish(b"done")

    async def story() -> None:
        process = await World(1).led({"long": long})
        uid = process.world.uid()
        await process.call(process.make(uid, "long"))
        row = find(process.processor, uid)
        assert row is not None
        engine = process.processor.engine
        entries = await asking.collect(engine.journal(uid, row.incarnation))
        assert not isinstance(entries, Unavailable) and len(entries) == row.entries == 42
        first: Chunk[tuple[int, bytes]] | Unavailable = await asking.answer_to(
            engine.journal(uid, row.incarnation).pull
        )
        assert isinstance(first, Chunk) and not first.last and len(first.items) < 20
        assert await asking.collect(engine.journal(uid, row.incarnation + 1)) == []
        await process.processor.close()

    run(story())


def test_a_stream_whose_store_is_gone_ends_and_leaves_the_next_store_alone() -> None:
    def failing() -> Iterator[Pair]:
        yield b"c", b"row"
        raise StoreError("the disk is away")

    async def story() -> None:
        process = await _filled(3, 10)
        seat = process.processor._seats.get(0)
        assert seat is not None and seat.partition is not None
        seat.partition.state.store.scan = lambda start, stop: failing()  # type: ignore[method-assign]
        stream = process.processor.engine.export(0, [b"c"], [b""])
        seat.lose_store(StoreError("the disk is away"))
        await process.until(lambda: process.processor.leading() == [0])
        assert isinstance(await asking.collect(stream), Unavailable)
        assert process.processor.leading() == [0], "it is another store that serves now"
        await process.processor.close()

    run(story())
