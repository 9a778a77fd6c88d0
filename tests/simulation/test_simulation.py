"""Seeds 1 to 250, and those that once failed, are clean; a seed is one story, told the same."""

import pytest

from tests.simulation import seeds
from tests.simulation.play import Verdict
from tests.simulation.pool import digests, run

RANGES = [range(first, first + 50) for first in range(1, 251, 50)]


def _failures(verdicts: list[Verdict]) -> str:
    lines = [f"seed {v.seed}: {line}" for v in verdicts for line in v.violations[:3]]
    return "\n".join(lines)


def test_seeds_that_once_failed_are_clean() -> None:
    verdicts = list(run(seeds.kept()))
    assert not _failures(verdicts)


@pytest.mark.parametrize("span", RANGES, ids=lambda span: f"{span[0]}-{span[-1]}")
def test_seeds_are_clean(span: range) -> None:
    verdicts = list(run(span))
    for verdict in verdicts:
        if verdict.violations:
            seeds.keep(verdict.seed, verdict.violations[0])
    assert not _failures(verdicts)
    # Worlds in which nothing happens would be clean too.
    assert sum(v.counts.get("messages", 0) for v in verdicts) > 100 * len(span)
    assert sum(v.counts.get("deaths", 0) for v in verdicts) > 2 * len(span)


def test_an_unsorted_set_shows_in_the_digests() -> None:
    first, last = 1, 30
    name = "sets_are_not_sorted"
    assert digests(first, last, 1, name) != digests(first, last, 2, name)
