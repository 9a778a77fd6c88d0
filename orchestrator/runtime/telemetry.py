"""The telemetry port: rooms count and time through it, whoever shows the numbers reads them.

An instrument is made once, with its labels bound, and kept where it is used: counting is an
addition to an integer, an observation a search in a short tuple. Gauges are asked when somebody
looks. All of it belongs to the event loop; the few threads there are count nothing.
"""

import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Final

from orchestrator.runtime.metrics import COUNTER, HISTOGRAM, Metric

LABEL_SETS_MAX: Final = 1000
"""For each metric. Names of services are labels, and nobody bounds how many are registered."""
OTHER: Final = "other"

Labels = tuple[str, ...]
Sampled = float | Mapping[Labels, float]
"""What a gauge answers: a number, or numbers by the values of its labels."""


class Counter:
    """A number that only rises."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value = 0

    def add(self, count: int = 1) -> None:
        self.value += count


class Histogram:
    """How many observations were at most as large as each bound, and their sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last one: larger than all bounds
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self.counts)


class Counters:
    """The counters of one metric, by the values of its labels."""

    __slots__ = ("_label_count", "by_labels")

    def __init__(self, label_count: int) -> None:
        self.by_labels: dict[Labels, Counter] = {}
        self._label_count = label_count

    def of(self, *labels: str) -> Counter:
        """The counter of these labels; beyond LABEL_SETS_MAX all share one, labelled `other`."""
        found = self.by_labels.get(labels)
        if found is None:
            assert len(labels) == self._label_count
            if len(self.by_labels) >= LABEL_SETS_MAX:
                labels = (OTHER,) * len(labels)
            found = self.by_labels.setdefault(labels, Counter())
        return found


class Telemetry:
    """The instruments of one process. `now_s` is the clock of what is timed; it never goes back."""

    def __init__(self, now_s: Callable[[], float] = time.perf_counter) -> None:
        self.now_s = now_s
        self._counters: dict[Metric, Counters] = {}
        self._histograms: dict[Metric, Histogram] = {}
        self._asked: dict[Metric, Callable[[], Sampled]] = {}

    def counters(self, metric: Metric) -> Counters:
        """The counters of a metric with labels."""
        assert metric.kind is COUNTER, metric.name
        return self._counters.setdefault(metric, Counters(len(metric.labels)))

    def counter(self, metric: Metric, *labels: str) -> Counter:
        """One counter, to be kept where it is used."""
        return self.counters(metric).of(*labels)

    def histogram(self, metric: Metric) -> Histogram:
        """Observations are in the unit of the metric."""
        assert metric.kind is HISTOGRAM, metric.name
        return self._histograms.setdefault(metric, Histogram(metric.bounds))

    def ask(self, metric: Metric, read: Callable[[], Sampled]) -> None:
        """A gauge, or a counter that somebody else counts: `read` is called on the event loop
        whenever somebody looks, and must be cheap."""
        assert metric.kind is not HISTOGRAM, metric.name
        self._asked[metric] = read

    def numbers(self, metric: Metric) -> Mapping[Labels, float]:
        """The value of a counter or gauge now; empty if no room has made it."""
        read = self._asked.get(metric)
        if read is None:
            made = self._counters.get(metric)
            return {} if made is None else {k: one.value for k, one in made.by_labels.items()}
        found = read()
        return found if isinstance(found, Mapping) else {(): found}

    def observed(self, metric: Metric) -> Histogram | None:
        """A histogram, if a room has made it."""
        return self._histograms.get(metric)

    def value(self, metric: Metric, *labels: str) -> float:
        """One number; 0 if it was never counted."""
        return self.numbers(metric).get(labels, 0)
