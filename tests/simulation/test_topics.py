"""Worlds with topics are clean, and each mutant of the rules of topics is found by them.

`python -m tests.simulation --topics` runs more of them.
"""

from collections import Counter
from functools import partial

import pytest

from tests.simulation import (  # noqa: F401 they register
    topic_edge_mutants,
    topic_ledger_mutants,
    topic_out_mutants,
    topic_rule_mutants,
)
from tests.simulation.found_seeds import first_violation
from tests.simulation.mutation import MISMADE, patched
from tests.simulation.pool import run
from tests.simulation.topic_mutants import TOPIC_MUTANTS
from tests.simulation.topic_world import simulate_topics

SEEDS_MAX = 50
TWICE = range(1, 16)
ONCE = [range(first, first + 15) for first in range(16, 61, 15)]


@pytest.mark.timeout(400)
def test_a_seed_is_one_story() -> None:
    failed = [f"{v.seed}: {v.violations[0]}" for v in run(TWICE, simulate_topics) if v.violations]
    assert not failed


@pytest.mark.timeout(400)
@pytest.mark.parametrize("span", ONCE, ids=lambda span: f"{span[0]}-{span[-1]}")
def test_seeds_with_topics_are_clean(span: range) -> None:
    failed = []
    counts: Counter[str] = Counter()
    for seed in span:
        verdict = simulate_topics(seed)
        failed += [f"{seed}: {line}" for line in verdict.violations[:1]]
        counts.update(verdict.counts)
    assert not failed
    # Worlds in which nothing happens would be clean too.
    assert counts["deaths"] > len(span)
    assert counts["taken"] > 15 * len(span) and counts["sent"] > 20 * len(span)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", sorted(TOPIC_MUTANTS))
def test_a_mutant_is_found(name: str) -> None:
    with patched(TOPIC_MUTANTS[name]):
        found = first_violation(name, SEEDS_MAX, partial(simulate_topics, to_its_end=False))
    assert found is not None, f"{name}: {TOPIC_MUTANTS[name].__doc__ or 'not found'}"
    assert not any(error in found[1] for error in MISMADE), found
