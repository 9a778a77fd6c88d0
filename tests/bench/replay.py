"""`python -m tests.bench.replay [CALLS]`: how fast an empty store is filled from the log.

The log is the embedded one, in a directory of its own; the records are those of greets, two each,
in messages as a loaded leader writes them. Seconds are CPU of the event loop's thread.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from orchestrator.codec.records import encode_message
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.port import AppendError
from orchestrator.model.effects import SetOutput
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.records import AnnounceLeader, AnyRecord, Ended, Journal, Pin
from orchestrator.model.values import SERVICE
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.partition import Partition
from orchestrator.processor.progress import Progress
from orchestrator.processor.reading import restore
from orchestrator.store.port import DurableStore
from orchestrator.store.rocks_home import RocksHome
from perdure.wire import codes
from perdure.wire.frames import frame

CALLS = 50_000
CALLS_A_MESSAGE = 16
NOW_MS = 1_700_000_000_000
DAY_MS = 86_400_000
OUTPUT = frame(codes.OUTPUT, b"\x72\x0c\x0a\x0a" + b'"Hi, Ada!"')
HEADERS = (("content-type", "application/json"), ("user-agent", "bench"), ("accept", "*/*"))
PIN = Pin("dp_10000000000000000", 6, "restate-sdk-typescript/1.9.0")


class Replayed(msgspec.Struct, frozen=True):
    """What one restore took."""

    records: int
    cpu_s: float

    @property
    def per_second(self) -> float:
        return self.records / self.cpu_s


def _invoke(number: int) -> Invoke:
    return Invoke(
        id=number.to_bytes(24, "big"),
        service="Greeter",
        handler="greet",
        key="",
        kind=SERVICE,
        body=b'"Ada"',
        headers=HEADERS,
        created_at_ms=NOW_MS + number,
        completion_retention_ms=DAY_MS,
        journal_retention_ms=DAY_MS,
    )


def _journal(invoke: Invoke, incarnation: int) -> Journal:
    return Journal(
        epoch=0,
        id=invoke.id,
        incarnation=incarnation,
        attempt=1,
        now_ms=invoke.created_at_ms + 1,
        pin=PIN,
        frames=OUTPUT,
        entries=1,
        commands=1,
        effects=(SetOutput(len(OUTPUT) - 10, len(OUTPUT)),),
        end=Ended(),
    )


def messages_of(calls: int) -> list[bytes]:
    """An announcement; then of each message's calls the Invokes, and the Journals of those of the
    message before."""
    messages = [encode_message([AnnounceLeader("bench", 1, -1)])]
    running: list[tuple[Invoke, int]] = []
    for first in range(0, calls + CALLS_A_MESSAGE, CALLS_A_MESSAGE):
        invokes = [_invoke(number) for number in range(first, min(first + CALLS_A_MESSAGE, calls))]
        records: list[AnyRecord] = [*invokes, *(_journal(*one) for one in running)]
        position = len(messages) << POSITION_INDEX_BITS
        running = [(invoke, position + at) for at, invoke in enumerate(invokes)]
        if records:
            messages.append(encode_message(records))
    return messages


async def _append(log: EmbeddedLog, messages: list[bytes]) -> None:
    answered = asyncio.get_running_loop().create_future()

    def done(_: int, first: int, count: int, error: AppendError | None) -> None:
        assert error is None, error
        answered.set_result(None)

    log.append([(0, messages)], done)
    await answered


async def written(directory: Path, calls: int) -> EmbeddedLog:
    """An open log of so many calls."""
    log = EmbeddedLog(EmbeddedOptions(directory / "log", partitions=1))
    await log.open()
    messages = messages_of(calls)
    for at in range(0, len(messages), 500):
        await _append(log, messages[at : at + 500])
    return log


async def restored(log: EmbeddedLog, directory: Path) -> tuple[Partition, DurableStore]:
    """A partition over an empty store, filled from the log."""
    progress = Progress(0, time.monotonic)
    return await restore(
        0,
        log,
        RocksHome(directory / "store"),
        ProcessorOptions(),
        progress,
        lambda: asyncio.sleep(0),
        asyncio.sleep,
    )


async def _replay(directory: Path, calls: int) -> Replayed:
    log = await written(directory, calls)
    began_s = time.thread_time()
    partition, store = await restored(log, directory)
    cpu_s = time.thread_time() - began_s
    assert partition.next_offset == (await log.bounds(0))[1]
    state = partition.state
    assert state.completed.get(_invoke(calls - 1).id) is not None
    store.close()
    await log.close()
    return Replayed(1 + 2 * calls, cpu_s)


def replay(calls: int) -> Replayed:
    """Write a log, and restore a partition from it."""
    with tempfile.TemporaryDirectory(prefix="perdure-replay-") as directory:
        return asyncio.run(_replay(Path(directory), calls))


def main() -> None:
    replayed = replay(int(sys.argv[1]) if len(sys.argv) > 1 else CALLS)
    each_us = replayed.cpu_s / replayed.records * 1e6
    print(
        f"{replayed.records:,} records, {each_us:.1f} us each: {replayed.per_second:,.0f} a second"
    )


if __name__ == "__main__":
    main()
