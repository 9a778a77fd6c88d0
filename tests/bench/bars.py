"""The bars: what the figures of Perdure must be beside Restate's, and what they aim at."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.cells import SDK_FIVE, THROUGHPUT_FIVE, Cell
from tests.bench.endpoints import HYPERCORN, PERDURE, PERDURE_UVICORN, TYPESCRIPT, UVICORN
from tests.bench.results import LIFE, Results
from tests.bench.systems import EMBEDDED, KAFKA, RESTATE, RESTATE_4, TITLES
from tests.bench.topic_cells import INGRESS, TO_OBJECT, TO_TOPIC, TOPIC_CELLS

NOT_MEASURED = "not measured"
_STRANGERS_PERCENT_MAX = 10.0


@dataclass(frozen=True)
class Bar:
    """`metric` of `system` in `cell`, divided by that of `against` unless it is None: in the same
    cell, or in `against_cell`."""

    cell: str
    metric: str
    system: str
    against: str | None
    bar: float
    aim: float
    at_least: bool = False
    unit: str = ""
    against_cell: str | None = None

    @property
    def title(self) -> str:
        return f"{self.cell}: {_METRICS[self.metric]}, {_SHORT[self.system]}"


@dataclass(frozen=True)
class Verdict:
    bar: Bar
    measured: float | None
    ours: float | None
    theirs: float | None
    noisy: bool = False

    @property
    def word(self) -> str:
        if self.measured is None:
            return NOT_MEASURED
        if self._holds(self.bar.aim):
            return "aim"
        return "pass" if self._holds(self.bar.bar) else "FAIL"

    def _holds(self, limit: float) -> bool:
        assert self.measured is not None
        return self.measured >= limit if self.bar.at_least else self.measured <= limit


_METRICS = {
    "per_second": "throughput",
    "server_cpu_us": "server CPU",
    "service_cpu_us": "service CPU",
    "p50_ms": "p50",
    "step_p50_ms": "p50 per step",
    "idle_resident_mb": "resident when idle",
    "filled_resident_mb": "resident after 100,000 calls",
    "restart_first_answer_s": "first answer after kill -9",
    "sleepers_fired_percent": "sleepers woken after kill -9",
    "lateness_p99_ms": "lateness p99 of 5,000 sleeps",
    "idle_server_percent": "idle CPU",
}
_SHORT = {EMBEDDED: "embedded", KAFKA: "Kafka", RESTATE: "Restate", RESTATE_4: "Restate (4)"}

FIVE = [Cell(TYPESCRIPT, flow, connections).name for flow, connections in THROUGHPUT_FIVE]
_UVICORN = [Cell(UVICORN, flow, 64).name for flow in ("greet", "counter")]
_HYPERCORN = [
    Cell(HYPERCORN, flow, connections).name
    for flow, connections in THROUGHPUT_FIVE
    if flow != "counter"
]
_GREET, _TEN_STEPS = FIVE[0], FIVE[2]
_GREET_1, _STEPS_1 = Cell(TYPESCRIPT, "greet", 1).name, Cell(TYPESCRIPT, "100-steps", 1).name


def _throughput(cell: str, system: str, against: str, bar: float, aim: float) -> Bar:
    return Bar(cell, "per_second", system, against, bar, aim, at_least=True, unit="×")


def _ratio(cell: str, metric: str, system: str, against: str, bar: float, aim: float) -> Bar:
    return Bar(cell, metric, system, against, bar, aim, unit="×")


def _life(metric: str, unit: str, bar: float, aim: float) -> Bar:
    return Bar(LIFE, metric, EMBEDDED, None, bar, aim, unit=unit)


def _topics(flow: str) -> list[str]:
    return [cell.name for cell in TOPIC_CELLS if cell.flow_name == flow]


_TOPIC_BARS = [
    *[_throughput(cell, EMBEDDED, RESTATE, 3.0, 5.0) for cell in _topics(TO_OBJECT)],
    *[_throughput(cell, EMBEDDED, RESTATE_4, 1.5, 2.0) for cell in _topics(TO_OBJECT)],
    *[_throughput(cell, KAFKA, RESTATE, 3.0, 5.0) for cell in _topics(TO_OBJECT)],
    *[_throughput(cell, KAFKA, RESTATE_4, 1.5, 2.0) for cell in _topics(TO_OBJECT)],
    *[Bar(cell, "p50_ms", KAFKA, None, 12, 8, unit="ms") for cell in _topics(TO_TOPIC)],
    *[
        Bar(cell, "per_second", KAFKA, None, 1_500, 3_000, at_least=True, unit="/s")
        for cell in _topics(INGRESS)
    ],
]


def _sdk(
    ours: str, theirs: str, flow: str, metric: str, against: str, bar: float, aim: float
) -> Bar:
    """Our SDK on our server, against restate-sdk on `theirs` and the server `against`."""
    connections = 1 if metric in ("p50_ms", "step_p50_ms") else 64
    mine, other = Cell(ours, flow, connections).name, Cell(theirs, flow, connections).name
    at_least = metric == "per_second"
    return Bar(mine, metric, EMBEDDED, against, bar, aim, at_least, "×", other)


SDK_BARS = [
    *[
        _sdk(PERDURE, HYPERCORN, flow, "service_cpu_us", EMBEDDED, 0.5, 0.25)
        for flow in ("greet", "10-steps", "fan-out")
    ],
    _sdk(PERDURE, UVICORN, "greet", "service_cpu_us", EMBEDDED, 1.0, 0.7),
    _sdk(PERDURE_UVICORN, UVICORN, "greet", "service_cpu_us", EMBEDDED, 1.0, 0.7),
    *[_sdk(PERDURE, HYPERCORN, flow, "per_second", RESTATE, 3.0, 5.0) for flow in SDK_FIVE],
    *[
        _sdk(PERDURE, UVICORN, flow, "per_second", RESTATE_4, 1.5, 2.0)
        for flow in ("greet", "counter")
    ],
    *[
        _sdk(PERDURE, HYPERCORN, flow, metric, RESTATE, 0.4, 0.25)
        for flow, metric in (("greet", "p50_ms"), ("10-steps", "step_p50_ms"))
    ],
]

BARS: list[Bar] = [
    *[_throughput(cell, EMBEDDED, RESTATE, 1.8, 2.5) for cell in FIVE],
    *[_throughput(cell, EMBEDDED, RESTATE_4, 1.1, 1.5) for cell in FIVE],
    *[_throughput(cell, EMBEDDED, RESTATE, 1.8, 3.0) for cell in _UVICORN],
    *[_throughput(cell, EMBEDDED, RESTATE_4, 1.1, 1.5) for cell in _UVICORN],
    *[_throughput(cell, EMBEDDED, RESTATE, 1.3, 1.5) for cell in _HYPERCORN],
    *[_throughput(cell, KAFKA, RESTATE, 1.3, 2.0) for cell in FIVE],
    *[_ratio(cell, "server_cpu_us", EMBEDDED, RESTATE, 0.3, 0.15) for cell in (_GREET, _TEN_STEPS)],
    *[
        _ratio(cell, "server_cpu_us", EMBEDDED, RESTATE_4, 0.6, 0.35)
        for cell in (_GREET, _TEN_STEPS)
    ],
    _ratio(_GREET_1, "p50_ms", EMBEDDED, RESTATE, 0.5, 0.3),
    _ratio(_GREET_1, "p50_ms", KAFKA, RESTATE, 0.7, 0.5),
    _ratio(_STEPS_1, "step_p50_ms", EMBEDDED, RESTATE, 0.5, 0.3),
    _ratio(_STEPS_1, "step_p50_ms", KAFKA, RESTATE, 0.8, 0.5),
    _life("idle_resident_mb", "MB", 120, 80),
    _life("filled_resident_mb", "MB", 300, 200),
    _ratio(LIFE, "restart_first_answer_s", EMBEDDED, RESTATE, 0.4, 0.1),
    Bar(LIFE, "sleepers_fired_percent", EMBEDDED, None, 100, 100, at_least=True, unit="%"),
    _ratio(LIFE, "lateness_p99_ms", EMBEDDED, RESTATE, 0.15, 0.05),
    _life("idle_server_percent", "%", 1.0, 0.2),
    *_TOPIC_BARS,
]


def judge(results: Results) -> list[Verdict]:
    """Every bar against the medians; a system that answered with errors has no figure. A run of
    the SDK has bars of its own."""
    return [_judged(bar, results) for bar in (SDK_BARS if results.is_of_sdk else BARS)]


def _judged(bar: Bar, results: Results) -> Verdict:
    ours = _figure(bar, bar.system, results)
    noisy = _noisy(bar, results)
    if bar.against is None:
        return Verdict(bar, ours, ours, None, noisy)
    theirs = _figure(bar, bar.against, results, bar.against_cell)
    measured = ours / theirs if ours is not None and theirs else None
    return Verdict(bar, measured, ours, theirs, noisy)


def _figure(bar: Bar, system: str, results: Results, cell: str | None = None) -> float | None:
    if results.errors(cell or bar.cell, system):
        return None
    return results.median(cell or bar.cell, system, bar.metric)


def _noisy(bar: Bar, results: Results) -> bool:
    """Whether others used so much of the machine that the verdict may be theirs."""
    measured = [(bar.cell, bar.system), (bar.against_cell or bar.cell, bar.against or bar.system)]
    strangers = [results.median(cell, system, "strangers_percent") for cell, system in measured]
    return any(percent > _STRANGERS_PERCENT_MAX for percent in strangers if percent is not None)


def against_title(bar: Bar) -> str:
    if bar.against is None:
        return ""
    title = TITLES[bar.against]
    return title if bar.against_cell is None else f"{title}: {bar.against_cell.split('/')[0]}"
