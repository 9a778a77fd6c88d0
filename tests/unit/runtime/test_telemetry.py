"""Telemetry: what it counts, what it shows, how many labels it takes, and what it costs."""

import itertools
import time
from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from orchestrator.runtime import metrics
from orchestrator.runtime.exposition import exposition
from orchestrator.runtime.loop_lag import QUIET_TICK_S, TICK_S, LoopLag
from orchestrator.runtime.telemetry import LABEL_SETS_MAX, Telemetry


def filled() -> Telemetry:
    telemetry = Telemetry()
    telemetry.counter(metrics.SPILLS).add(3)
    telemetry.counter(metrics.INVOCATIONS, 'a"b\\c\nd', "greet", "succeeded").add()
    telemetry.histogram(metrics.APPEND_TIME).observe(0.0001)
    telemetry.histogram(metrics.APPEND_TIME).observe(0.3)
    telemetry.histogram(metrics.APPEND_TIME).observe(100.0)
    telemetry.ask(metrics.RSS, lambda: 12.5)
    telemetry.ask(metrics.PARTITIONS, lambda: {("leading",): 2, ("stopped",): 0})
    telemetry.ask(metrics.CPU, lambda: 1.25)
    return telemetry


def samples(telemetry: Telemetry, as_openmetrics: bool) -> dict[str, list[tuple[object, float]]]:
    text = exposition(telemetry, as_openmetrics)
    found: dict[str, list[tuple[object, float]]] = {}
    for family in (openmetrics if as_openmetrics else prometheus)(text):
        for one in family.samples:
            found.setdefault(one.name, []).append((one.labels, one.value))
    return found


@pytest.mark.parametrize("as_openmetrics", [False, True])
def test_a_parser_reads_the_same_numbers(as_openmetrics: bool) -> None:
    found = samples(filled(), as_openmetrics)
    assert found["perdure_spills_total"] == [({}, 3)]
    labels = {"service": 'a"b\\c\nd', "handler": "greet", "outcome": "succeeded"}
    assert found["perdure_invocations_ended_total"] == [(labels, 1)]
    assert found["process_resident_memory_bytes"] == [({}, 12.5)]
    assert found["process_cpu_seconds_total"] == [({}, 1.25)]
    assert found["perdure_partitions"] == [({"state": "leading"}, 2), ({"state": "stopped"}, 0)]
    buckets = {labels["le"]: n for labels, n in found["perdure_append_seconds_bucket"]}  # type: ignore[index]
    assert (buckets["0.0001"], buckets["0.25"], buckets["0.5"]) == (1, 1, 2)
    assert (buckets["60.0"], buckets["+Inf"]) == (2, 3)
    assert found["perdure_append_seconds_count"] == [({}, 3)]
    assert found["perdure_append_seconds_sum"] == [({}, pytest.approx(100.3001))]


def test_each_metric_is_described_whether_it_was_counted_or_not() -> None:
    text = exposition(Telemetry())
    described = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")}
    assert described == {one.name for one in metrics.TABLE}


def test_labels_are_bounded() -> None:
    telemetry = Telemetry()
    for number in range(3 * LABEL_SETS_MAX):
        telemetry.counter(metrics.INVOCATIONS, f"s{number}", "h", "succeeded").add()
    found = telemetry.numbers(metrics.INVOCATIONS)
    assert len(found) == LABEL_SETS_MAX + 1
    assert found[("other", "other", "other")] == 2 * LABEL_SETS_MAX
    assert sum(found.values()) == 3 * LABEL_SETS_MAX


class Late:
    """A loop whose timers come when the test says."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.due: list[tuple[float, Callable[[], object]]] = []

    def time_s(self) -> float:
        return self.now_s

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> "Late":
        self.due.append((self.now_s + delay_s, callback))
        return self

    def cancel(self) -> None:
        self.due.clear()

    def run(self, late_s: float) -> None:
        due_s, callback = self.due.pop(0)
        self.now_s = due_s + late_s
        callback()


def test_the_longest_silence_of_the_loop_is_kept() -> None:
    loop, telemetry = Late(), Telemetry()
    worked_s = itertools.count(0.0, 0.002)
    lag = LoopLag(loop, telemetry, lambda: next(worked_s))  # type: ignore[arg-type]
    lag.start()
    for late_s in (0.0, 0.4, 0.01):
        loop.run(late_s)
    assert telemetry.value(metrics.LOOP_SILENCE) == pytest.approx(0.4)
    seen = telemetry.observed(metrics.LOOP_LAG)
    assert seen is not None and seen.count == 3 and seen.sum == pytest.approx(0.41)
    assert loop.due[0][0] == pytest.approx(loop.now_s + TICK_S)
    lag.stop()
    assert not loop.due


def test_a_loop_with_nothing_to_do_is_looked_at_seldom() -> None:
    loop, telemetry = Late(), Telemetry()
    worked_s = iter((0.0, 0.0001, 0.0002, 0.1, 0.1))
    lag = LoopLag(loop, telemetry, lambda: next(worked_s))  # type: ignore[arg-type]
    lag.start()
    ticks = []
    for _ in range(4):
        ticks.append(loop.due[0][0] - loop.now_s)
        loop.run(0.0)
    # The first long one ends on a beat of the clock, together with what others look at.
    assert ticks == pytest.approx([TICK_S, QUIET_TICK_S - TICK_S, QUIET_TICK_S, TICK_S])


def test_waiting_for_a_processor_is_no_work_of_the_loop() -> None:
    loop, telemetry = Late(), Telemetry()
    worked_s = iter((0.0, 0.02, 0.42, 0.43))
    lag = LoopLag(loop, telemetry, lambda: next(worked_s))  # type: ignore[arg-type]
    lag.start()
    for late_s in (0.9, 0.3, 0.6):
        loop.run(late_s)
    assert telemetry.value(metrics.LOOP_SILENCE) == pytest.approx(0.9)
    assert telemetry.value(metrics.LOOP_BUSY) == pytest.approx(0.3)


def cost_s(call: Callable[[], object], count: int = 50_000) -> float:
    """Seconds of one call, the best of five."""
    best = 1.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(count):
            call()
        best = min(best, (time.process_time() - began) / count)
    return best


def test_counting_costs_next_to_nothing() -> None:
    """As a ratio to a call of a method that does nothing: machines and loads differ."""

    class Nothing:
        def call(self, value: float) -> None:
            pass

    telemetry = Telemetry()
    add = telemetry.counter(metrics.SPILLS).add
    observe = telemetry.histogram(metrics.APPEND_TIME).observe
    counters = telemetry.counters(metrics.INVOCATIONS)
    nothing = Nothing().call
    base_s = cost_s(lambda: nothing(0.003))
    assert cost_s(add) < 4 * base_s
    assert cost_s(lambda: observe(0.003)) < 10 * base_s
    assert cost_s(lambda: counters.of("Greeter", "greet", "succeeded")) < 12 * base_s
