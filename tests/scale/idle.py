"""A server with subscriptions whose topics bring nothing: what it uses of a core."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.parts.client import Client
from tests.parts.kafka import KafkaBroker
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics, subscribe
from tests.scale import process
from tests.scale.world import World

SUBSCRIPTIONS = 10
PARTITIONS = 4
PERCENT_MAX = 0.5
SECONDS, SECONDS_SMALL = 60.0, 10.0
_SETTLE_S = 10.0  # offsets are committed, what was opened at the start is closed
_PATIENCE_S = 60.0


def _percent(world: World, seconds: float) -> float:
    time.sleep(_SETTLE_S)
    before_s = process.cpu_s(world.server.pid)
    time.sleep(seconds)
    return (process.cpu_s(world.server.pid) - before_s) / seconds * 100


def run(seconds: float, say: Callable[[str], None] = print) -> bool:
    """True if the bar holds."""
    directory = Path(tempfile.mkdtemp(prefix="perdure-idle-"))
    broker = KafkaBroker(directory).start()
    try:
        options = ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster="idle")
        with World(options=options) as world:
            client, topics = Client(world.server.ingress, world.server.admin), Topics(broker)
            for name in [topics.make(PARTITIONS) for _ in range(SUBSCRIPTIONS)]:
                subscribe(world.server, name, "Queue/add")
                topics.produce(name, b"key", b"1")
            world.wait(lambda: world.ended("Queue", ["add"]), SUBSCRIPTIONS, _PATIENCE_S)
            percent = _percent(world, seconds)
            (read,) = client.query("SELECT COUNT(*) AS sources FROM sys_source WHERE lag = 0")
        shutil.rmtree(directory, ignore_errors=True)  # kept if anything failed
    finally:
        broker.stop()
    held = percent <= PERCENT_MAX
    say(
        f"{SUBSCRIPTIONS} subscriptions of {PARTITIONS} partitions and an ingress topic"
        f" ({read['sources']} sources): idle for {seconds:.0f} s with {percent:.2f} % of a core:"
        f" {'ok' if held else 'MISSED'}"
    )
    return held
