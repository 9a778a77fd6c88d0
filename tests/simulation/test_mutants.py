"""Each mutant of the engine is found within 50 seeds, most within ten; two are rarer."""

from functools import partial

import pytest

from tests.simulation import (  # noqa: F401 they register
    bound_mutants,
    disk_mutants,
    invoker_mutants,
    life_mutants,
    listing_mutants,
    pace_mutants,
    shell_mutants,
    surroundings_mutants,
    table_mutants,
)
from tests.simulation.found_seeds import first_violation
from tests.simulation.mutation import MISMADE, MUTANTS, mutated
from tests.simulation.play import simulate
from tests.simulation.rule_mutants import HASHED

SEEDS_MAX = 50
# Attempts are told apart by their number too, so that few worlds depend on the incarnation; and
# few worlds write a record of a kind that nobody knows, as the last thing they do.
RARE = {"journals_of_another_incarnation_count": 150, "unknown_records_are_skipped": 100}


@pytest.mark.parametrize("name", sorted(set(MUTANTS) - set(HASHED)))
def test_a_mutant_is_found(name: str) -> None:
    with mutated(name):
        found = first_violation(
            name, RARE.get(name, SEEDS_MAX), partial(simulate, to_its_end=False)
        )
    assert found is not None, f"{name}: {MUTANTS[name].__doc__ or 'not found'}"
    assert not any(error in found[1] for error in MISMADE), found
