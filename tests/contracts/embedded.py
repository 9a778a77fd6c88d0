"""Embedded logs for their tests: over disks that fail, written in either way."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path

from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.embedded.spares import SegmentSizes
from orchestrator.log.files import File
from orchestrator.log.port import AppendError, Log, monotonic_ms
from tests.contracts.test_log import Acknowledgements, Told
from tests.unit.log.embedded.faulty_disk import FaultyDisk, FaultySyncs

SIZES = SegmentSizes(segment_bytes_min=256 << 10, segment_bytes_max=256 << 10, reserve_bytes=1)


_way = "by a thread"


def append_in(way: str) -> None:
    """How the logs made from now on append: `by a thread`, or `beside the loop`."""
    global _way
    _way = way


def on(disk: FaultyDisk, clock_ms: Callable[[], int] = monotonic_ms) -> EmbeddedLog:
    options = EmbeddedOptions(Path("nowhere"), 2, 1 << 20, SIZES)
    syncs = FaultySyncs if _way == "beside the loop" else None
    return EmbeddedLog(options, files=lambda: disk, syncs=syncs, clock_ms=clock_ms)


async def tried(log: Log, partition: int, value: bytes) -> Told:
    acknowledgements = Acknowledgements()
    log.append([(partition, [value])], acknowledgements.done)
    return (await acknowledgements.wait(1))[0]


async def failed(log: Log, partition: int, value: bytes) -> AppendError:
    error = (await tried(log, partition, value)).error
    assert error is not None
    return error


async def until_writable(log: Log) -> None:
    async with asyncio.timeout(10):
        while not log.health().writable:
            await asyncio.sleep(0.02)


class SlowDisk(FaultyDisk):
    """Every sync waits while the gate is closed."""

    def __init__(self) -> None:
        super().__init__(1)
        self.gate = threading.Event()
        self.gate.set()

    def create(self, name: str) -> File:
        file = super().create(name)
        sync = file.sync

        def slow() -> None:
            self.gate.wait()
            sync()

        file.sync = slow  # type: ignore[method-assign]
        return file
