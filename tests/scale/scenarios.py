"""Each runs with so much of something, on a server of its own, and says what that took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from perdure.wire import awakeable_id_to_str, parse_invocation_id
from tests.scale.light_handlers import AWAKEABLE
from tests.scale.restart import restart, restart_on_kafka
from tests.scale.world import Used, World


class Scenario(NamedTuple):
    """A run, and how many there are in its full and in its small form; 0: it has none."""

    run: Callable[[int], Used]
    full: int
    small: int


_RATE_COUNT = 2_000  # sends whose time tells how long those of the sleepers will take


def sleeping(count: int) -> Used:
    """All asleep at once, suspended, then due together."""
    with World() as world:
        began_s = time.monotonic()
        world.many("/Light/add/send", "1", _RATE_COUNT)
        each_s = (time.monotonic() - began_s) / _RATE_COUNT
        due_ms = int((time.time() + 3.0 + 1.3 * count * each_s) * 1000)
        world.measure()
        world.many("/Light/nap/send", str(due_ms), count)
        late_s = time.time() - due_ms / 1000
        world.wait(lambda: world.ended("Light", ["nap"]), count)
        note = f"asleep {late_s:.0f} s too late" if late_s > 0 else ""
        return world.used("sleeping", count, note)


def promised(count: int) -> Used:
    """All wait for one promise, suspended, then it is completed."""
    with World() as world:
        world.call("/Flow/one/run/send")
        world.many("/Flow/one/wait/send", "1", count)
        world.wait(world.suspended, count + 1)
        world.call("/Flow/one/open")
        world.wait(lambda: world.ended("Flow", ["run", "wait"]), count + 1)
        return world.used("waiting on a promise", count)


def queued(count: int) -> Used:
    """All wait for one key, whose holder then lets go of it."""
    with World() as world:
        holder = world.call("/Queue/one/hold/send")["invocationId"]
        world.many("/Queue/one/add/send", "1", count)
        awakeable = awakeable_id_to_str(parse_invocation_id(holder), AWAKEABLE)
        world.call(f"/restate/awakeables/{awakeable}/resolve")
        world.wait(lambda: world.ended("Queue", ["add"]), count)
        return world.used("queued on one key", count)


def state(count: int) -> Used:
    """One key has so many values; they are set, listed and cleared."""
    with World() as world:
        world.call("/Store/one/fill", str(count))
        assert world.call("/Store/one/count") == count
        world.call("/Store/one/clear")
        assert world.call("/Store/one/count") == 0
        return world.used("keys of state", count)


def steps(count: int) -> Used:
    """One journal of so many steps, which is then replayed."""
    with World() as world:
        assert world.call("/Light/walk", str(count)) == count
        return world.used("steps of a journal", count)


def fan_out(count: int) -> Used:
    """One invocation calls so many at once and waits for all."""
    with World() as world:
        assert world.call("/Light/spread", str(count)) == count
        return world.used("fan-out", count)


SCENARIOS: dict[str, Scenario] = {
    "sleeping": Scenario(sleeping, full=1_000_000, small=8_000),
    "promised": Scenario(promised, full=300_000, small=6_000),
    "queued": Scenario(queued, full=100_000, small=4_000),
    "state": Scenario(state, full=50_000, small=20_000),
    "steps": Scenario(steps, full=30_000, small=8_000),
    "fan-out": Scenario(fan_out, full=10_000, small=8_000),
    "restart": Scenario(restart, full=1_000_000, small=40_000),
    "restart-on-kafka": Scenario(restart_on_kafka, full=300_000, small=0),
}
