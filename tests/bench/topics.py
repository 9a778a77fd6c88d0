"""One run of a cell of topics against one system, with the CPU that everybody used meanwhile."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

from tests.bench import measure, proc
from tests.bench.endpoints import Endpoint
from tests.bench.systems import RESTATE, RESTATE_4, System
from tests.bench.topic_cells import INGRESS, TO_OBJECT, TopicCell
from tests.bench.topic_load import Plan

_LOOK_S = 0.05
_PATIENCE_S = 120.0
COMPILED_MAX_PERCENT = 10
_COMPILERS = ("C1 Compiler", "C2 Compiler")  # threads of a Java virtual machine
Probe = Callable[[], dict[str, float]]


@dataclass(frozen=True)
class TopicShape:
    """Sizes of a burst; seconds before and in the window of round trips."""

    partitions: int = 4  # of each topic
    records: int = 20_000
    keys: int = 1_000
    warmup_records: int = 2_000
    seconds: float = 5.0
    warmup_s: float = 2.0
    tries: int = 6  # until the broker compiles no more


class _Compiling:
    """The share of a Java process's CPU that its compiler takes, from now on."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._used_s, self._compiled_s = proc.cpu_s(pid), proc.threads_s(pid, _COMPILERS)

    def share(self) -> float:
        compiled = proc.threads_s(self._pid, _COMPILERS)
        compiled_s = sum(used - self._compiled_s.get(one, 0.0) for one, used in compiled.items())
        return compiled_s / max(proc.cpu_s(self._pid) - self._used_s, compiled_s, 0.01)


def warm_up(bootstrap: str, pid: int, seconds: float) -> float:
    """Run a load that is nobody's own on the broker `pid`; the share of its CPU that compiled."""
    command = [sys.executable, "-m", "tests.bench.topic_warm_up", bootstrap, str(seconds)]
    compiling = _Compiling(pid)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the load that warms the broker up died with {done.returncode}")
    return compiling.share()


def run(
    system: System, endpoint: Endpoint, cell: TopicCell, shape: TopicShape, probe: Probe = dict
) -> dict[str, Any]:
    """Figures by name, as a cell of calls has them; of a burst also `lag_records`, when the last
    of it was acknowledged, and `drain_s`, from then until all was handled. `compiled_percent` is
    the share of the broker's CPU that its compiler took: while it is large the cell is run again,
    since each has requests of its own, which a broker first compiles.

    `probe` may name further users of CPU and the seconds they have used so far.
    """
    make = _burst if cell.flow_name == TO_OBJECT else _round_trips
    for _ in range(max(shape.tries, 1)):
        measured = make(system, endpoint, cell, shape, probe)
        if measured["compiled_percent"] <= COMPILED_MAX_PERCENT:
            break
    return measured


def _burst(
    system: System, endpoint: Endpoint, cell: TopicCell, shape: TopicShape, probe: Probe
) -> dict[str, Any]:
    topic = _made(system, shape, f"{cell.endpoint}-burst")
    before_s = _total(system)
    system.subscribe(topic, "Tally/add")
    endpoint.seen(forget=True)
    plan = _plan(system, topic, shape, value="1", keys=shape.keys)
    with _loading(plan | {"total": shape.warmup_records}):
        pass
    _handled(system, endpoint, shape.warmup_records)
    meter = _Meter(system, endpoint, probe)
    upto = shape.warmup_records + shape.records
    with _loading(plan | {"total": shape.records}) as load:
        load.readline()  # "begin"
        meter.begin()
        load.readline()  # "end"
        lag, acked_s = upto - endpoint.seen()["tallied"], time.monotonic()
        _handled(system, endpoint, upto)
        drain_s = time.monotonic() - acked_s
        seconds = meter.end()
        loaded: dict[str, Any] = json.loads(load.read())
    _check_sums(system, before_s + upto)
    result = loaded | {
        "completed": shape.records,
        "seconds": seconds,
        "per_second": shape.records / seconds,
        "lag_records": lag,
        "drain_s": drain_s,
    }
    del result["p50_ms"], result["p99_ms"]
    return meter.added(result)


def _round_trips(
    system: System, endpoint: Endpoint, cell: TopicCell, shape: TopicShape, probe: Probe
) -> dict[str, Any]:
    replies = _made(system, shape, f"{cell.endpoint}-{cell.flow_name}-replies")
    if cell.flow_name == INGRESS:
        topic, value = system.ingress_topic, '"Ada"'
        _await_topic(system, topic)
        headers = [("perdure-service", "Greeter"), ("perdure-handler", "greet")]
        headers += [("perdure-reply-to", replies)]
    else:
        topic, headers = _made(system, shape, f"{cell.endpoint}-{cell.flow_name}"), []
        value = f'{{"to":"{replies}","n":%d,"brokers":"{system.bootstrap}"}}'
        of_restate = system.name in (RESTATE, RESTATE_4)
        system.subscribe(topic, "Relay/produce" if of_restate else "Relay/forward")
    plan = _plan(system, topic, shape, value=value)
    plan |= {"headers": headers, "replies": replies, "in_flight": cell.in_flight}
    meter = _Meter(system, endpoint, probe)
    with _loading(plan) as load:
        load.readline()  # "begin"
        meter.begin()
        load.readline()  # "end"
        meter.end()
        result: dict[str, Any] = json.loads(load.read())
    return meter.added(result)


def _made(system: System, shape: TopicShape, what: str) -> str:
    name = f"{system.cluster}-{what}-{time.time_ns()}"
    admin = AdminClient({"bootstrap.servers": system.bootstrap})
    admin.create_topics([NewTopic(name, shape.partitions)])[name].result()
    give_up = time.monotonic() + 30
    while not _is_led(admin, name, shape.partitions):
        assert time.monotonic() < give_up, f"topic {name} has no leaders"
        time.sleep(_LOOK_S)
    return name


def _await_topic(system: System, name: str) -> None:
    """The server makes it; whoever asks for it by name before would have the brokers make it."""
    admin = AdminClient({"bootstrap.servers": system.bootstrap})
    give_up = time.monotonic() + 30
    while name not in admin.list_topics(timeout=10).topics:
        assert time.monotonic() < give_up, f"the server makes no topic {name}"
        time.sleep(_LOOK_S)


def _is_led(admin: AdminClient, topic: str, count: int) -> bool:
    """The broker that made it may not know it yet."""
    found = admin.list_topics(topic, timeout=10).topics[topic]
    leaders = [each.leader >= 0 for each in found.partitions.values()]
    return found.error is None and len(leaders) == count and all(leaders)


def _plan(system: System, topic: str, shape: TopicShape, value: str, keys: int = 0) -> Plan:
    return {
        "bootstrap": system.bootstrap,
        "topic": topic,
        "value": value,
        "headers": [],
        "keys": keys,
        "total": 0,
        "replies": "",
        "in_flight": 0,
        "warmup_s": shape.warmup_s,
        "seconds": shape.seconds,
    }


@contextmanager
def _loading(plan: Plan) -> Iterator[IO[str]]:
    """The output of the load generator, which has ended afterwards."""
    command = [sys.executable, "-m", "tests.bench.topic_load"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as load:
        assert load.stdin is not None and load.stdout is not None
        json.dump(plan, load.stdin)
        load.stdin.close()
        yield load.stdout
        load.stdout.read()
    if load.returncode != 0:
        raise RuntimeError(f"the load generator of topics died with {load.returncode}")


def _handled(system: System, endpoint: Endpoint, count: int) -> None:
    """Wait until the handlers have seen so many records."""
    give_up = time.monotonic() + _PATIENCE_S
    while (seen := endpoint.seen()["tallied"]) < count:
        if time.monotonic() > give_up:
            raise RuntimeError(
                f"{system.name}: {seen} of {count} records handled\n{system.server.log_tail()}"
            )
        time.sleep(_LOOK_S)


def _total(system: System) -> int:
    return sum(int(value) for value in system.state_of("Tally").values())


def _check_sums(system: System, count: int) -> None:
    """Every record has had its effect, once: the objects' sums say so, a moment later."""
    give_up = time.monotonic() + 10.0
    while (total := _total(system)) != count:
        if time.monotonic() > give_up:
            raise RuntimeError(f"{system.name}: {count} records had {total} effects")
        time.sleep(_LOOK_S)


class _Meter:
    """CPU that was used between `begin` and `end`."""

    def __init__(self, system: System, endpoint: Endpoint, probe: Probe) -> None:
        self._system = system
        self._endpoint = endpoint
        self._probe = probe

    def begin(self) -> None:
        self._began_s = time.monotonic()
        self._before, self._busy_s = self._used_s(), -proc.busy_s()
        self._probed_before = self._probe()
        self._compiling = _Compiling(self._system.broker_pid)

    def end(self) -> float:
        """Seconds since `begin`."""
        seconds = time.monotonic() - self._began_s
        self._after = self._used_s()
        self._probed_after = self._probe()
        self._compiled = self._compiling.share()
        self._busy_s += proc.busy_s()
        return seconds

    def _used_s(self) -> dict[str, float]:
        return measure.used_s(self._system, self._endpoint)

    def added(self, result: dict[str, Any]) -> dict[str, Any]:
        result["strangers_percent"] = measure.strangers_percent(
            self._before, self._after, self._busy_s, result
        )
        result["compiled_percent"] = 100 * self._compiled
        before, after = self._before | self._probed_before, self._after | self._probed_after
        return result | measure.cpu_us(before, after, max(result["completed"], 1))
