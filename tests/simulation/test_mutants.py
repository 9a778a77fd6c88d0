"""Each mutant of the engine is found within 150 seeds, most within ten."""

import pytest

from tests.simulation import (  # noqa: F401 they register
    bound_mutants,
    disk_mutants,
    invoker_mutants,
    life_mutants,
    shell_mutants,
    surroundings_mutants,
    table_mutants,
)
from tests.simulation.mutation import MUTANTS, mutated
from tests.simulation.play import simulate
from tests.simulation.rule_mutants import HASHED

SEEDS_MAX = 150


@pytest.mark.parametrize("name", sorted(set(MUTANTS) - set(HASHED)))
def test_a_mutant_is_found(name: str) -> None:
    with mutated(name):
        found = any(simulate(seed).violations for seed in range(1, SEEDS_MAX + 1))
    assert found, f"{name}: {MUTANTS[name].__doc__ or 'not found'}"
