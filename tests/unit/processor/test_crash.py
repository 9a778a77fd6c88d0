"""Counters survive kill -9: nothing accepted is lost, nothing counts twice."""

import asyncio
import random
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from orchestrator.codec.records import decode_message
from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.port import LogMessage
from orchestrator.model.ids import key_partition_key
from orchestrator.processor.partition import Partition
from orchestrator.processor.progress import Progress
from orchestrator.processor.reading import restore
from orchestrator.store.memory import MemoryStore
from orchestrator.store.rocks_home import RocksHome
from orchestrator.store.stamp import Stamp, StampedStore
from tests.unit.processor.crash_child import OPTIONS, PARTITIONS

KEYS = 8
REQUESTS = 600
KILLS = 6


class Load:
    """Requests with ids of their own, sent again to the next process until answered."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.random = random.Random(7)
        self.open: dict[str, str] = {}
        self.values: dict[str, list[int]] = defaultdict(list)
        self.left = REQUESTS

    def line(self) -> str:
        key = f"key{self.random.randrange(KEYS)}"
        identity = (key_partition_key(key) + self.random.randbytes(16)).hex()
        self.open[identity] = key
        self.left -= 1
        return f"{identity} {key}\n"

    def run(self, answers: int | None) -> None:
        """One process, killed after so many answers; or to the end of the load."""
        command = [sys.executable, "-m", "tests.unit.processor.crash_child", str(self.directory)]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert child.stdin is not None and child.stdout is not None
        try:
            for identity, key in list(self.open.items()):
                child.stdin.write(f"{identity} {key}\n")
            while (answers is None and (self.open or self.left)) or (answers or 0) > 0:
                while self.left and len(self.open) < 24:
                    child.stdin.write(self.line())
                identity, value = child.stdout.readline().split()
                self.values[self.open.pop(identity)].append(int(value))
                if answers is not None:
                    answers -= 1
        finally:
            if answers is not None:
                child.kill()
            child.stdin.close()
            child.wait(30)
            child.stdout.close()


def test_counters_survive_being_killed(tmp_path: Path) -> None:
    load = Load(tmp_path)
    for _ in range(KILLS):
        load.run(load.random.randrange(1, 90))
    load.run(None)
    total = 0
    for values in load.values.values():
        assert sorted(values) == list(range(1, len(values) + 1))
        total += len(values)
    assert total == REQUESTS
    asyncio.run(stores_equal_the_log(tmp_path))


async def stores_equal_the_log(directory: Path) -> None:
    """Byte for byte, over everything the log still holds from the beginning on."""
    log = EmbeddedLog(EmbeddedOptions(directory / "log", partitions=PARTITIONS))
    await log.open()
    compared = 0
    for number in range(PARTITIONS):
        partition, store = await restore(
            number,
            log,
            RocksHome(directory / str(number)),
            OPTIONS,
            Progress(number, time.monotonic),
            lambda: asyncio.sleep(0),
            asyncio.sleep,
        )
        partition.spill()
        first, _ = await log.bounds(number)
        if first == 0:
            again = await replay(log, number)
            assert list(store.scan(b"", b"\xff")) == again
            compared += 1
        store.close()
    await log.close()
    assert compared > 0, "the log was trimmed everywhere: there was nothing to compare"


async def replay(log: EmbeddedLog, number: int) -> list[tuple[bytes, bytes]]:
    store = MemoryStore()
    partition = Partition(number, PARTITIONS, StampedStore(store, Stamp(log.identity, number)))

    def deliver(messages: list[LogMessage]) -> None:
        for message in messages:
            records = decode_message(message.value)
            partition.apply_message(message.offset, message.value, records, [])

    await log.read(number, 0, deliver)
    partition.spill()
    return list(store.scan(b"", b"\xff"))
