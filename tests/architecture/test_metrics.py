"""The table of metrics: names as Prometheus wants them, each with a text, all in docs."""

import re
from pathlib import Path

import pytest

from orchestrator.runtime.metrics import TABLE, Metric
from tests.architecture.generated import check

ROOT = Path(__file__).parents[2]


def test_a_name_is_there_once() -> None:
    assert len({one.name for one in TABLE}) == len(TABLE)


@pytest.mark.parametrize("one", TABLE, ids=lambda one: one.name)
def test_a_name_says_its_kind_and_unit(one: Metric) -> None:
    assert re.fullmatch(r"(perdure|process)_[a-z_]+", one.name)
    assert one.name.endswith("_total") == (one.kind == "counter")
    assert bool(one.bounds) == (one.kind == "histogram")
    if one.unit in ("seconds", "bytes"):
        assert one.name.removesuffix("_total").endswith(f"_{one.unit}")
    assert one.text.endswith(".")
    assert list(one.bounds) == sorted(set(one.bounds))


def test_the_page_is_current() -> None:
    lines = ["\n| name | kind | unit | labels | what it tells |\n|---|---|---|---|---|\n"]
    for one in TABLE:
        labels = ", ".join(one.labels)
        lines.append(f"| `{one.name}` | {one.kind} | {one.unit} | {labels} | {one.text} |\n")
    check(ROOT / "docs/metrics.md", "".join([*lines, "\n"]), "metrics")
