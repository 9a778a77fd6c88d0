"""Flow control that ends at the store: a window of each stream, the rest is read again."""

import asyncio

from orchestrator.codec.keys import chunk_key
from orchestrator.exchanges.exchange import Exchange
from orchestrator.invoker.feed import Feed
from orchestrator.invoker.options import InvokerOptions
from orchestrator.invoker.port import JOURNAL_BEGIN, JournalPlace
from orchestrator.model.records import Signal
from orchestrator.model.rows import ChunkRow, JournalChunk
from orchestrator.processor.journal import read_journal
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.manifest import decode_manifest
from perdure import wire
from perdure.wire import codes, encode
from tests.unit.invoker import samples
from tests.unit.invoker.partition import Partition
from tests.unit.invoker.scripted import Served
from tests.unit.invoker.wires import HEAD, Hears, Http2Peer
from tests.unit.invoker.worlds import run, scripted

SLEEP = encode(wire.SleepCommand(9, 1))


def signal(number: int, size_bytes: int = 1) -> bytes:
    value = bytes((number % 251,)) * size_bytes
    return encode(wire.Notification(codes.SIGNAL_NOTIFICATION, signal=17 + number, value=value))


# --- the state machine ---


def test_a_replay_is_sent_as_stored_and_what_came_meanwhile_after_it() -> None:
    attempt = samples.attempt(samples.given(entries=3))
    feed = Feed(attempt, 3, JournalPlace(0, 2))
    assert feed.is_replaying and not feed.is_direct and feed.read_to == JournalPlace(0, 2)
    assert feed.take([SLEEP], JournalPlace(0, 1)) == [SLEEP]
    assert feed.take([signal(0)], JournalPlace(0, 2)) == [signal(0)]
    assert not feed.is_replaying and not feed.is_direct and feed.read_to is None
    # A command of the attempt itself, and what completes it.
    assert feed.take([SLEEP + signal(1), signal(2)], JournalPlace(0, 4)) == [signal(1) + signal(2)]
    assert feed.take([], JournalPlace(0, 4)) == []
    assert feed.is_direct


def test_what_was_told_directly_is_not_told_again() -> None:
    attempt = samples.attempt()
    feed = Feed(attempt, 1, JOURNAL_BEGIN)
    assert feed.is_direct
    assert attempt.delivered.notify(1, signal(0), 0)
    feed.is_behind = True
    assert feed.take([signal(0), signal(1)], JournalPlace(0, 2)) == [signal(1)]
    assert attempt.delivered.notify(2, signal(1), 0) == b"", "nor directly what was read"


def test_results_of_runs_are_acknowledged_once_in_whatever_way_they_come() -> None:
    attempt = samples.attempt()
    for number in (1, 2):
        message = wire.ProposeRunCompletion(number, b"v")
        attempt.receive(encode(message, flags=wire.REQUESTED_ACK), 0)
    stored = b"".join(wire.completion_value(codes.RUN_COMPLETION, n, b"v") for n in (1, 2))
    assert attempt.delivered.notify(2, stored[: len(stored) // 2], 1) == wire.run_ack(1)
    feed = Feed(attempt, 1, JOURNAL_BEGIN)
    feed.is_behind = True
    assert feed.take([stored], JournalPlace(0, 1)) == [wire.run_ack(2)]


# --- reading a journal ---


def test_a_journal_is_read_piece_by_piece_while_it_grows() -> None:
    async def test() -> None:
        partition = Partition()
        partition.register(*_svc())
        partition.invoker.start = lambda *args: None  # type: ignore[method-assign]
        id_ = partition.submit("Svc", "run")
        await asyncio.sleep(0.01)
        row, state = partition.row(id_), partition.state
        pieces = [bytes((number,)) * 10 for number in range(12)]

        def store(number: int) -> None:
            row.tail.append(JournalChunk(0, pieces[number]))
            if len(row.tail) == 4:
                key = chunk_key(id_, row.incarnation, row.chunk_count)
                state.chunks.add(key, ChunkRow(row.tail))
                row.chunk_count, row.tail = row.chunk_count + 1, []

        for number in range(6):
            store(number)
        end = JournalPlace(row.chunk_count, len(row.tail))
        first, place = read_journal(state, row, JOURNAL_BEGIN, end, 25)
        assert first == pieces[:2]
        second, tail = read_journal(state, row, place, None, 1000)
        assert second == pieces[2:6] and tail == end
        for number in range(6, 12):
            store(number)
        assert read_journal(state, row, place, end, 1000) == (pieces[2:6], end)
        third, last = read_journal(state, row, tail, None, 1000)
        assert third == pieces[6:] and last == JournalPlace(3, 0)
        assert read_journal(state, row, last, None, 1000) == ([], last)
        assert read_journal(state, row, JOURNAL_BEGIN, None, 1)[0] == pieces[:1]
        assert read_journal(state, row, JOURNAL_BEGIN, None, 1000)[0] == pieces

    run(test)


def _svc() -> tuple[DiscoveryTarget, Discovered]:
    return DiscoveryTarget("http://127.0.0.1:9/"), Discovered(decode_manifest(samples.MANIFEST))


# --- a connection ---


def test_an_exchange_has_room_for_a_window_and_for_one_large_piece_alone() -> None:
    exchange = Exchange(HEAD, [], False, Hears())
    exchange.room_bytes = 100
    assert exchange.has_room(1000)
    exchange.send(b"x" * 60)
    assert exchange.has_room(40) and not exchange.has_room(41)


def test_whoever_wants_room_is_told_once_when_half_of_it_is_on_its_way() -> None:
    peer = Http2Peer(body=b"", window_bytes=1000)
    exchange = peer.exchange
    exchange.room_bytes = 10_000
    exchange.send(b"x" * 9_000)
    exchange.want_room()
    peer.exchange_bytes()
    assert peer.hears.drained == 0
    assert peer.connection.queued_bytes(exchange) == 8_000
    peer.h2.set_local_window_size(5_000, stream_id=1)
    peer.exchange_bytes()
    assert peer.connection.queued_bytes(exchange) <= 5_000
    assert peer.hears.drained == 1
    peer.h2.set_local_window_size(50_000, stream_id=1)
    peer.exchange_bytes()
    assert peer.hears.drained == 1


def test_a_large_request_is_written_piece_by_piece() -> None:
    peer = Http2Peer(body=bytes(3_000_000), window_bytes=2**31 - 1)
    peer.h2.set_local_window_size(2**31 - 1)
    peer.exchange_bytes()
    peer.exchange_bytes()
    assert peer.wire.largest_write <= 256 * 1024
    assert peer.connection.queued_bytes(peer.exchange) == 0


# --- a service that does not read ---


SIZE = 10_000
COUNT = 300


def test_notifications_for_a_service_that_does_not_read_are_not_kept() -> None:
    """It gets all of them once it reads, in order and once."""
    go = asyncio.Event()

    async def slow(served: Served) -> None:
        await served.start()
        served.respond()
        served.say(wire.SleepCommand(4_000_000_000_000, 1))
        await go.wait()
        for number in range(COUNT):
            found = await served.message()
            assert isinstance(found, wire.Notification)
            assert found.signal == 17 + number and len(found.value or b"") == SIZE
        await served.finish()

    async def test() -> None:
        async with scripted(slow, options=InvokerOptions(stream_bytes_max=50_000)) as (
            partition,
            service,
        ):
            service.hold_windows = True
            id_ = partition.submit("Svc", "run")
            await _until_says(partition, id_)
            for number in range(COUNT):
                _give(partition, id_, number)
                if number % 50 == 0:
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            (running,) = partition.invoker._running.values()
            assert running.exchange is not None and running.exchange.carrier is not None
            assert running.exchange.carrier.queued_bytes(running.exchange) <= 80_000
            assert partition.invoker._slots.memory_bytes <= 60_000
            reads = partition.reads
            await asyncio.sleep(0.1)
            assert partition.reads == reads, "what is stuck is not looked at"
            go.set()
            service.give_windows_back()
            assert await partition.result(id_) == b"out"
            assert partition.invoker._slots.memory_bytes == 0

    run(test)


def test_a_long_replay_is_sent_in_windows_and_its_end_comes_last() -> None:
    async def says_much(served: Served) -> None:
        await served.start()
        served.respond()
        served.say(wire.SleepCommand(4_000_000_000_000, 1))
        await served.was_reset.wait()

    async def replays(served: Served) -> None:
        start, *entries = await served.start()
        assert isinstance(start, wire.Start) and len(entries) == start.known_entries == COUNT + 2
        assert [m.signal for m in entries[2:]] == [  # type: ignore[union-attr]
            17 + number for number in range(COUNT)
        ]
        served.respond()
        await served.finish()

    async def test() -> None:
        options = InvokerOptions(stream_bytes_max=50_000)
        async with scripted(says_much, replays, options=options) as (partition, service):
            id_ = partition.submit("Svc", "run")
            await _until_says(partition, id_)
            partition.invoker.stop(id_, partition.row(id_).incarnation, True)
            for number in range(COUNT):
                _give(partition, id_, number)
            await asyncio.sleep(0.05)
            partition.invoker.start(partition, id_, partition.row(id_).incarnation)
            (running,) = partition.invoker._running.values()
            running.half_close()  # it has to wait for the end of the replay
            assert await partition.result(id_) == b"out"
            assert service.requests[1].ended.is_set()

    run(test)


async def _until_says(partition: Partition, id_: bytes) -> None:
    async with asyncio.timeout(60):
        while (row := partition.state.invocations.get(id_)) is None or row.entries < 2:
            await asyncio.sleep(0.005)


def _give(partition: Partition, id_: bytes, number: int) -> None:
    value = bytes((number % 251,)) * SIZE
    partition.propose_any(Signal(id_, 17 + number, "", value, partition.clock.now_ms()))
