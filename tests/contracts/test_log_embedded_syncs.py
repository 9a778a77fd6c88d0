"""The embedded log while a sync goes on, while it is closed, and when its writer fails."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.files import File
from tests.contracts.embedded import SIZES, SlowDisk, on
from tests.contracts.test_log import Acknowledgements, append, opened, read
from tests.unit.log.embedded.faulty_disk import FaultyDisk, FaultySyncs

pytestmark = pytest.mark.usefixtures("both_ways")


def test_what_comes_while_a_sync_goes_on_is_written_in_its_turn() -> None:
    disk = SlowDisk()

    async def main() -> None:
        async with opened(on(disk)) as log:
            disk.gate.clear()
            acknowledgements = Acknowledgements()
            log.append([(0, [b"first"])], acknowledgements.done)
            log.append([(1, [b"other"]), (0, [b"second"])], acknowledgements.done)
            log.restart(1)
            log.append([(0, [bytes(300 << 10)])], acknowledgements.done)
            log.append([(0, [b"last"])], acknowledgements.done)
            assert (await log.bounds(0))[1] == 0
            disk.gate.set()
            told = await acknowledgements.wait(5)
            assert [(t.partition, t.first, t.error) for t in told] == [
                (0, 0, None),
                (1, 0, None),
                (0, 1, None),
                (0, 2, None),
                (0, 3, None),
            ]
        async with opened(on(disk)) as log:
            found = [m.value for m in (await read(log, 0, 0))[0]]
            assert found == [b"first", b"second", bytes(300 << 10), b"last"]

    asyncio.run(main())


def test_a_log_is_closed_behind_what_it_was_given() -> None:
    disk = SlowDisk()

    async def main() -> None:
        acknowledgements = Acknowledgements()
        log = on(disk)
        await log.open()
        disk.gate.clear()
        log.append([(0, [b"first"])], acknowledgements.done)
        log.append([(0, [b"second"])], acknowledgements.done)
        closing = asyncio.ensure_future(log.close())
        await asyncio.sleep(0.01)
        log.append([(0, [b"late"])], acknowledgements.done)
        disk.gate.set()
        await closing
        told = await acknowledgements.wait(3)
        assert [t.first for t in told] == [0, 1, -1]
        assert told[2].error is not None and told[2].error.refused
        async with opened(on(disk)) as again:
            assert [m.value for m in (await read(again, 0, 0))[0]] == [b"first", b"second"]

    asyncio.run(main())


def test_a_log_is_closed_while_the_system_syncs(tmp_path: Path) -> None:
    async def main() -> None:
        for number in range(60):
            acknowledgements = Acknowledgements()
            log = EmbeddedLog(EmbeddedOptions(tmp_path, 2, 1 << 20, SIZES))
            await log.open()
            log.append([(0, [b"%d" % number])], acknowledgements.done)
            async with asyncio.timeout(10):
                await log.close()
            assert [t.first for t in await acknowledgements.wait(1)] == [number]

    asyncio.run(main())


def test_what_comes_while_the_system_syncs_is_written_and_synced_together() -> None:
    disk, syncs = FaultyDisk(1), FaultySyncs()

    async def main() -> None:
        acknowledgements = Acknowledgements()
        options = EmbeddedOptions(Path("nowhere"), 2, 1 << 20, SIZES)
        async with opened(EmbeddedLog(options, files=lambda: disk, syncs=lambda: syncs)) as log:
            log.append([(0, [b"a"])], acknowledgements.done)
            log.append([(1, [b"b"]), (0, [b"c"])], acknowledgements.done)
            log.append([(0, [b"d", b"e"])], acknowledgements.done)
            told = await acknowledgements.wait(4)
            assert [(t.partition, t.first) for t in told] == [(0, 0), (1, 0), (0, 1), (0, 2)]
            values = [m.value for m in (await read(log, 0, 0))[0]]
            assert values == [b"a", b"c", b"d", b"e"]
        assert syncs.begun_count == 2

    asyncio.run(main())


class NoSyncs(FaultySyncs):
    """The system has none left."""

    def begin(self, file: File) -> bool:
        self.begun_count += 1
        return False


def test_a_system_that_begins_no_sync_is_not_asked_again() -> None:
    disk, syncs = FaultyDisk(1), NoSyncs()

    async def main() -> None:
        options = EmbeddedOptions(Path("nowhere"), 2, 1 << 20, SIZES)
        async with opened(EmbeddedLog(options, files=lambda: disk, syncs=lambda: syncs)) as log:
            for number in range(3):
                assert await append(log, 0, [b"%d" % number]) == number
            assert [m.value for m in (await read(log, 0, 0))[0]] == [b"0", b"1", b"2"]
        assert syncs.begun_count == 1

    asyncio.run(main())


BROKEN = """
import asyncio, sys
from pathlib import Path
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.embedded.segment_chain import SegmentChain

def broken(*_):
    raise MemoryError("no room for a batch")

async def main():
    syncs = None if sys.argv[2] == "beside the loop" else lambda: None
    log = EmbeddedLog(EmbeddedOptions(Path(sys.argv[1]), 2), syncs=syncs)
    await log.open()
    def done(partition, first, count, error):
        print(first, error, flush=True)
        setattr(SegmentChain, sys.argv[3], broken)
        log.append([(0, [b"perhaps"]), (1, [b"perhaps"])], done)
    log.append([(0, [b"kept"])], done)
    await asyncio.sleep(20)
    print("alive", flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("call", ["_encode", "keep"])
def test_a_writer_that_fails_as_nobody_foresaw_ends_the_process(
    tmp_path: Path, call: str, both_ways: str
) -> None:
    """What was handed over is of unknown fate: who reads the file again knows."""
    command = [sys.executable, "-c", BROKEN, str(tmp_path), both_ways, call]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (70, "0 None\n")
    assert "PD0107" in ended.stderr and "no room for a batch" in ended.stderr

    async def main() -> None:
        async with opened(EmbeddedLog(EmbeddedOptions(tmp_path, 2))) as log:
            found = [m.value for m in (await read(log, 0, 0))[0]]
            assert found[0] == b"kept" and found[1:] in ([], [b"perhaps"])
            await append(log, 0, [b"next"])

    asyncio.run(main())
