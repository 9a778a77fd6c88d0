"""A topic with very many records for a service that is away: what it costs, and costs others."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.parts.client import Client
from tests.parts.kafka import KafkaBroker
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics, subscribe
from tests.scale import process
from tests.scale.world import World

MB = 1_000_000
RECORDS = 1_000_000
PARTITIONS = 4
KEYS = 1_000
VALUE = b"x" * 100
CLUSTER = "backlog"
RSS_BYTES_MAX = 300 * MB
GROWN_BYTES_MAX = 50 * MB
_CONNECTIONS = 8
_WINDOW_S = 1.0
_PATIENCE_S = 1_800.0


@dataclass(frozen=True)
class Size:
    """How much, how long it is looked at, and what calls to others may take meanwhile."""

    records: int = RECORDS
    max_in_flight: int = 1_000  # of each partition of the topic
    windows: int = 40  # in which latencies are measured, before and while the backlog waits
    latency_ratio_max: float = 2.0
    drains: bool = False  # whether the service comes back in the end


# On a machine that others use the ratio of two short runs says little.
SMALL = Size(8_000, windows=3, latency_ratio_max=4.0, drains=True)


class _Backlog:
    """One server with a log on a broker, beside the topic."""

    def __init__(self, size: Size, broker: KafkaBroker, world: World) -> None:
        self._size = size
        self._broker = broker
        self._world = world
        self._client = Client(world.server.ingress, world.server.admin)
        self._topics = Topics(broker)
        self._source = ""

    def produce(self) -> None:
        self._source = self._topics.make(PARTITIONS)
        for number in range(self._size.records):
            self._topics.give(self._source, b"key-%d" % (number % KEYS), VALUE)
        self._topics.flush()

    def subscribe(self) -> None:
        limit = self._size.max_in_flight
        subscribe(self._world.server, self._source, "Queue/add", max_in_flight=limit)

    def taken(self) -> dict[str, int]:
        """What all partitions of the topic have been read to, and what holds a slot."""
        sums = "SUM(position) AS position, SUM(live) AS live"
        where = f"topic = '{self._source}'"
        (row,) = self._client.query(f"SELECT {sums} FROM sys_source WHERE {where}")
        return {name: value or 0 for name, value in row.items()}

    def latency_ms(self) -> float:
        """Of calls to another service: the median of some windows."""
        return median(
            self._world.latency_ms("/Other/add", _CONNECTIONS, _WINDOW_S)
            for _ in range(self._size.windows)
        )

    def held_bytes(self) -> int:
        """On disk: the store, and the log on the broker."""
        data = self._broker.directory / "data"
        parts = [self._world.server.data_dir, *data.glob(f"{CLUSTER}.log-*")]
        return sum(map(_bytes_of, parts))

    def ended(self) -> int:
        return self._world.ended("Queue", ["add"])


def _bytes_of(directory: Path) -> int:
    """What it really takes: brokers make index files larger than they are."""
    total = 0
    for file in directory.rglob("*"):
        try:
            total += file.stat().st_blocks * 512
        except FileNotFoundError:  # compaction, or a segment that is gone
            continue
    return total


@contextmanager
def _started(size: Size) -> Iterator[tuple[World, _Backlog]]:
    directory = Path(tempfile.mkdtemp(prefix="perdure-backlog-"))
    broker = KafkaBroker(directory).start()
    try:
        options = ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster=CLUSTER)
        with World(options=options) as world:
            yield world, _Backlog(size, broker, world)
        shutil.rmtree(directory, ignore_errors=True)  # kept if anything failed
    finally:
        broker.stop()


def run(size: Size, say: Callable[[str], None] = print) -> bool:
    """True if the bars hold."""
    with _started(size) as (world, backlog):
        backlog.produce()
        before_ms, before_bytes = backlog.latency_ms(), backlog.held_bytes()
        world.light.kill()
        backlog.subscribe()
        slots = min(size.records, size.max_in_flight * PARTITIONS)
        began_s = time.monotonic()
        world.wait(lambda: backlog.taken()["live"], slots, _PATIENCE_S)
        filled_s = time.monotonic() - began_s
        while_ms = backlog.latency_ms()
        grown_bytes = backlog.held_bytes() - before_bytes
        peak_bytes = process.peak_bytes(world.server.pid)
        taken = backlog.taken()
        ratio = while_ms / before_ms
        held = peak_bytes <= RSS_BYTES_MAX and grown_bytes <= GROWN_BYTES_MAX
        held &= ratio <= size.latency_ratio_max and taken == {"position": slots, "live": slots}
        say(
            f"{size.records:,} records for a service that is away, {taken['live']:,} of them in"
            f" flight after {filled_s:.1f} s: RSS {peak_bytes / MB:.0f} MB at most; store and log"
            f" grew by {grown_bytes / MB:.1f} MB; calls to another service"
            f" {before_ms:.2f} ms before, {while_ms:.2f} ms meanwhile ({ratio:.2f} times):"
            f" {'ok' if held else 'MISSED'}"
        )
        if size.drains:
            world.light.start()
            world.wait(backlog.ended, size.records, _PATIENCE_S)
            say(f"worked off; RSS {process.peak_bytes(world.server.pid) / MB:.0f} MB at most")
            held &= backlog.taken()["position"] == size.records
        return held
