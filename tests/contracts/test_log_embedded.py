"""What only the embedded log has to get right: processes that are killed and disks that fail."""

import asyncio
import shutil
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from orchestrator.log.embedded.durable_mark import DurableMark
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.embedded.segments import SUFFIX
from orchestrator.log.files import Disk
from orchestrator.log.port import LogCorrupt, LogRefused
from tests.contracts.embedded import SlowDisk, failed, on, tried, until_writable
from tests.contracts.test_log import Acknowledgements, append, opened, read
from tests.unit.log.embedded.faulty_disk import Faults, FaultyDisk

pytestmark = pytest.mark.usefixtures("both_ways")

CHILD = """
import asyncio, sys
from pathlib import Path
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions

async def main():
    log = EmbeddedLog(EmbeddedOptions(Path(sys.argv[1]), 2))
    await log.open()
    def done(partition, first, count, error):
        print(partition, first, flush=True)
        log.append([(partition, [b"%d:%d" % (partition, first + 1)])], done)
    for partition in (0, 1):
        _, end = await log.bounds(partition)
        log.append([(partition, [b"%d:%d" % (partition, end)])], done)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_what_a_killed_process_had_acknowledged_is_there(tmp_path: Path) -> None:
    acknowledged = [0, 0]
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
        ) as child:
            assert child.stdout is not None
            for _ in range(300):
                partition, first = map(int, child.stdout.readline().split())
                acknowledged[partition] = first + 1
            child.kill()

        async def main() -> None:
            async with opened(EmbeddedLog(EmbeddedOptions(tmp_path, 2))) as log:
                for partition, count in enumerate(acknowledged):
                    found, end = await read(log, partition, 0)
                    assert end >= count
                    assert [m.value for m in found] == [
                        b"%d:%d" % (partition, offset) for offset in range(end)
                    ]

        asyncio.run(main())


class _Values(list[bytes]):
    """Can be watched, which a plain list cannot."""


def test_a_log_that_is_idle_holds_no_messages(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(EmbeddedLog(EmbeddedOptions(tmp_path, 2))) as log:
            acknowledgements = Acknowledgements()
            values = _Values([b"x" * 1_000_000])
            watched = weakref.ref(values)
            log.append([(0, values)], acknowledgements.done)
            del values
            await acknowledgements.wait(1)
            async with asyncio.timeout(20):
                while watched() is not None:
                    await asyncio.sleep(0.01)

    asyncio.run(main())


@pytest.mark.parametrize("cut", [True, False], ids=["cut", "zeroed"])
def test_the_last_bytes_of_a_log_that_was_closed_are_missed(tmp_path: Path, cut: bool) -> None:
    async def write() -> None:
        async with opened(EmbeddedLog(EmbeddedOptions(tmp_path, 2))) as log:
            for number in range(200):
                await append(log, number % 2, [b"%d" % number + bytes(100) + b"x"])

    asyncio.run(write())
    (path,) = tmp_path.glob(f"*{SUFFIX}")
    content = path.read_bytes()
    used = len(content.rstrip(b"\0"))
    path.write_bytes(content[: used - 6000] + (b"" if cut else bytes(len(content) - used + 6000)))

    async def start() -> None:
        with pytest.raises(LogCorrupt, match=r"everything below \d+ had been made durable"):
            await EmbeddedLog(EmbeddedOptions(tmp_path, 2)).open()

    asyncio.run(start())


def test_an_older_copy_of_the_directory_is_noticed(tmp_path: Path) -> None:
    options = EmbeddedOptions(tmp_path / "log", 2, mark_directory=tmp_path)
    older = tmp_path / "older"

    async def write(count: int) -> None:
        async with opened(EmbeddedLog(options)) as log:
            for number in range(count):
                await append(log, number % 2, [b"%d" % number])

    asyncio.run(write(10))
    shutil.copytree(options.directory, older)
    asyncio.run(write(0))  # nothing has come since: the copy is as good
    shutil.rmtree(options.directory)
    shutil.copytree(older, options.directory)
    asyncio.run(write(1))
    shutil.rmtree(options.directory)
    older.rename(options.directory)
    with pytest.raises(LogCorrupt, match=r"everything below \d+ had been made durable"):
        asyncio.run(write(0))


def test_a_running_log_notes_how_far_it_is_durable(tmp_path: Path) -> None:
    """So that a tail is missed after `kill -9` too, but for the last second's."""

    async def main() -> None:
        async with opened(EmbeddedLog(EmbeddedOptions(tmp_path, 2))) as log:
            await append(log, 0, [b"a" * 1000])
            async with asyncio.timeout(10):
                while True:
                    mark = DurableMark(Disk(tmp_path), log.identity)
                    mark.open()
                    if mark.position > 1000:
                        return
                    await asyncio.sleep(0.05)

    asyncio.run(main())


def test_a_full_disk_refuses_and_heals_without_a_restart() -> None:
    disk = FaultyDisk(1)

    async def main() -> None:
        async with opened(on(disk)) as log:
            kept = [await append(log, 0, [bytes(100_000)])]
            disk.faults.free_bytes = 0
            while (told := await tried(log, 0, bytes(100_000))).error is None:
                kept.append(told.first)
            assert told.error.refused and "reserve" in told.error.reason
            assert not log.health().writable
            assert (await failed(log, 0, bytes(200_000))).refused
            disk.faults.free_bytes = 1 << 40
            await until_writable(log)
            kept.append(await append(log, 0, [b"again"]))
            assert [m.offset for m in (await read(log, 0, 0))[0]] == kept

    asyncio.run(main())


def test_little_space_closes_the_door_before_appends_are_refused() -> None:
    disk = FaultyDisk(1)

    async def main() -> None:
        disk.faults.free_bytes = 0
        async with opened(on(disk, iter(range(0, 10**9, 600)).__next__)) as log:
            assert not log.health().writable and "space" in log.health().reason
            await append(log, 0, [b"work that had begun"])
            disk.faults.free_bytes = 1 << 40
            assert log.health().writable

    async def begin() -> None:
        async with opened(on(disk)):
            pass

    asyncio.run(begin())
    asyncio.run(main())


def test_after_a_sync_that_failed_the_fate_is_unknown_until_restart() -> None:
    disk = FaultyDisk(1)

    async def main() -> None:
        async with opened(on(disk)) as log:
            await append(log, 0, [b"kept"])
            await append(log, 1, [b"other"])
            disk.faults = Faults(sync_fails=1.0)
            assert not (await failed(log, 0, b"perhaps")).refused
            assert not log.health().writable
            assert (await failed(log, 1, b"not taken")).refused
            disk.faults = Faults()
            assert (await failed(log, 0, b"too early")).refused
            await until_writable(log)
            log.restart(0)
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"kept"]
            assert await append(log, 0, [b"next"]) == 1
            assert await append(log, 1, [b"next"]) == 1
        disk.power_off()
        async with opened(on(disk)) as log:
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"kept", b"next"]

    asyncio.run(main())


def test_one_sync_that_failed_costs_nothing_where_a_copy_can_be_made() -> None:
    disk = FaultyDisk(3)

    async def main() -> None:
        async with opened(on(disk)) as log:
            for number in range(200):
                disk.faults = Faults(sync_fails=0.2)
                told = await tried(log, 0, b"%d" % number)
                if told.error is not None and not told.error.refused:
                    log.restart(0)
            disk.faults = Faults()
            end = await append(log, 0, [b"last"])
            assert end > 100

    asyncio.run(main())


def test_a_disk_that_hangs_closes_the_door_and_loses_nothing() -> None:
    disk = SlowDisk()
    now_ms = [0]

    async def main() -> None:
        async with opened(on(disk, lambda: now_ms[0])) as log:
            disk.gate.clear()
            acknowledgements = Acknowledgements()
            for number in range(3):
                log.append([(0, [b"%d" % number])], acknowledgements.done)
            now_ms[0] = 1999
            assert log.health().writable and log.health().oldest_unacknowledged_ms == 1999
            now_ms[0] = 2000
            assert not log.health().writable and "2000 ms" in log.health().reason
            disk.gate.set()
            told = await acknowledgements.wait(3)
            assert [t.error for t in told] == [None] * 3
            assert log.health().writable and log.health().oldest_unacknowledged_ms == 0

    asyncio.run(main())


def test_damage_to_what_was_durable_stops_the_start(tmp_path: Path) -> None:
    async def main() -> None:
        options = EmbeddedOptions(tmp_path, 2)
        async with opened(EmbeddedLog(options)) as log:
            await append(log, 0, [b"one thing"])
            await append(log, 0, [b"another"])
        (segment,) = tmp_path.glob(f"*{SUFFIX}")
        data = segment.read_bytes()
        segment.write_bytes(data.replace(b"one thing", b"one think"))
        for _ in range(2):  # and the directory is let go of
            with pytest.raises(LogCorrupt):
                await EmbeddedLog(options).open()
        segment.write_bytes(data)
        async with opened(EmbeddedLog(options)) as log:
            assert len((await read(log, 0, 0))[0]) == 2

    asyncio.run(main())


def test_a_directory_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    async def main() -> None:
        with pytest.raises(LogRefused) as refused:
            await EmbeddedLog(EmbeddedOptions(tmp_path / "file" / "log")).open()
        assert refused.value.code == "PD0106" and refused.value.remedy

    asyncio.run(main())
