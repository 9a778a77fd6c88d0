"""All metrics as text: Prometheus 0.0.4 or OpenMetrics 1.0."""

from collections.abc import Iterator
from itertools import accumulate
from typing import Final

from orchestrator.runtime.metrics import TABLE, Metric
from orchestrator.runtime.telemetry import Labels, Telemetry

PROMETHEUS: Final = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\n": "\\n", '"': '\\"'})


def exposition(telemetry: Telemetry, openmetrics: bool = False) -> str:
    """Every metric of the table, those without a number yet by their description alone."""
    lines: list[str] = []
    for metric in TABLE:
        # OpenMetrics names the family of a counter without its suffix.
        family = metric.name.removesuffix("_total") if openmetrics else metric.name
        lines.append(f"# HELP {family} {metric.text.translate(_ESCAPES)}")
        lines.append(f"# TYPE {family} {metric.kind}")
        lines += _samples(telemetry, metric)
    if openmetrics:
        lines.append("# EOF")
    return "\n".join(lines) + "\n"


def _samples(telemetry: Telemetry, metric: Metric) -> Iterator[str]:
    for labels, number in telemetry.numbers(metric).items():
        yield f"{metric.name}{_set(metric, labels)} {number}"
    one = telemetry.observed(metric)
    if one is not None:
        ends = [*(str(bound) for bound in one.bounds), "+Inf"]
        for end, count in zip(ends, accumulate(one.counts), strict=True):
            yield f'{metric.name}_bucket{{le="{end}"}} {count}'
        yield f"{metric.name}_sum {one.sum}"
        yield f"{metric.name}_count {one.count}"


def _set(metric: Metric, labels: Labels) -> str:
    pairs = zip(metric.labels, labels, strict=True)
    shown = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs)
    return f"{{{shown}}}" if shown else ""
