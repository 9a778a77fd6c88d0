"""Many mixed lives and few of them, and what is left of each once all of it may be forgotten.

Two servers do the same things, one of them a hundred times as often. Then nothing is asked of them
until the last request id may be forgotten: rows, files and memory must be the same. Beside them a
partition has no more than two copies of its store, and the log reaches back to the older one.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from orchestrator.codec.keys import PARTITION
from orchestrator.model.limits import REQUEST_DEDUPE_MS
from orchestrator.store.rocks import BLOCK_CACHE_BYTES, MEMTABLES_BYTES
from orchestrator.store.rocks_home import RocksHome
from tests.bench.flows import post
from tests.parts.client import http_request
from tests.parts.server_options import ServerOptions
from tests.scale import process
from tests.scale.world import World

LIVES, FEW_PART = 1_000_000, 100
SLACK_S = 90.0  # the rest of a bucket, the clean up, a last flush
RSS_MORE_BYTES = MEMTABLES_BYTES + BLOCK_CACHE_BYTES  # which fill up once
FILES_MORE = 10  # tables of RocksDB that are not compacted yet
COPIES_MAX = 2  # of the store of a partition
LOG_BYTES_MAX = 600 * 1_000_000  # until the next copies are made

_OFF = {"journal_retention": "0s", "idempotency_retention": "0s"}
_FLOW_OFF = {**_OFF, "workflow_completion_retention": "0s"}
_SEQUENCE = (  # eight lives: calls, a queue, state that comes and goes, a promise, a sleep
    post("/Light/add", "1"),
    post("/Queue/q%d/add", "1"),
    post("/Store/s%d/fill", "3"),
    post("/Store/s%d/clear", "1"),
    post("/Flow/f%d/run/send", "1"),
    post("/Flow/f%d/wait/send", "1"),
    post("/Flow/f%d/open", "1"),
    post("/Light/nap/send", "1000000000000"),
)


class Left(NamedTuple):
    """What remains of so many lives."""

    lives: int
    rows: dict[str, int]  # by the prefix of their table
    files: int  # those of the log and of copies do not count
    copies: int  # at most, of a partition
    log_bytes: int
    rss_bytes: int


def run(
    lives: int = LIVES, say: Callable[[str], None] = print, rest_s: float | None = None
) -> bool:
    """True if many leave no more than few."""
    wait_s = REQUEST_DEDUPE_MS / 1000 + SLACK_S if rest_s is None else rest_s
    options = ServerOptions(cleanup_interval="1s")
    with World(options=options) as few, World(options=options) as many:
        _live(few, lives // FEW_PART)
        took_s = _live(many, lives)
        time.sleep(wait_s)
        left = [_left(few, lives // FEW_PART), _left(many, lives)]
    for one in left:
        say(
            f"{one.lives:,} lives left {sum(one.rows.values())} rows {one.rows}, {one.files} files,"
            f" {one.copies} copies, a log of {one.log_bytes // 1_000_000} MB,"
            f" {one.rss_bytes // 1_000_000} MB resident"
        )
    held = _is_no_more(*left)
    say(f"{lives:,} lives in {took_s:.0f} s: {'ok' if held else 'MORE IS LEFT'}")
    return held


def _is_no_more(few: Left, many: Left) -> bool:
    return (
        many.rows == few.rows
        and many.files <= few.files + FILES_MORE
        and many.copies <= COPIES_MAX
        and many.log_bytes <= LOG_BYTES_MAX
        and many.rss_bytes <= few.rss_bytes + RSS_MORE_BYTES
    )


def _live(world: World, lives: int) -> float:
    """So many, and until all of them are over; how long that took."""
    for service in ("Light", "Queue", "Store", "Flow"):
        _forget_soon(world, service)
    began_s = time.monotonic()
    world.sequences(_SEQUENCE, lives // len(_SEQUENCE))
    world.wait(lambda: int(_alive(world) == 0), 1)
    return time.monotonic() - began_s


def _forget_soon(world: World, service: str) -> None:
    off = _FLOW_OFF if service == "Flow" else _OFF
    headers = {"content-type": "application/json"}
    path = f"/services/{service}"
    http_request(world.server.admin, "PATCH", path, json.dumps(off).encode(), headers).expect(200)


def _alive(world: World) -> int:
    samples = world.metrics()
    return int(sum(n for name, n in samples.items() if name.startswith("perdure_invocations{")))


def _left(world: World, lives: int) -> Left:
    server = world.server
    rss_bytes = process.resident_bytes(server.pid)
    assert server.stop() == 0, server.log_tail()
    rows: Counter[str] = Counter()
    copies = []
    for stores in (server.data_dir / "stores").iterdir():
        rows.update(_rows(stores))
        copies.append(len(list(stores.glob("checkpoints/*"))))
    log = list((server.data_dir / "log").glob("*.segment"))
    files = [path for path in server.data_dir.rglob("*") if path.is_file() and path not in log]
    return Left(
        lives,
        dict(sorted(rows.items())),
        sum("checkpoints" not in path.parts for path in files),
        max(copies),
        sum(path.stat().st_size for path in log),
        rss_bytes,
    )


def _rows(stores: Path) -> Counter[str]:
    store = next(iter(RocksHome(stores).candidates()))
    counts = Counter(chr(key[0]) for key, _ in store.scan(b"", b"\xff"))
    store.close()
    assert counts[PARTITION[:1].decode()] >= 1
    return counts
