"""A seed that finds each mutant is kept, and tried first: most mutants cost one world.

`PERDURE_REWRITE_GOLDEN=1 .venv/bin/python -m pytest -n 2 tests/simulation` writes anew those that
find theirs no longer, since worlds have changed.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.simulation.play import Verdict

FILE = Path(__file__).with_name("mutant_seeds.txt")


def first_violation(
    name: str, seeds_max: int, simulate: Callable[[int], Verdict]
) -> tuple[int, str] | None:
    """Of seeds 1 to `seeds_max`, one that finds the mutant that is in place, and how it told."""
    kept = _kept(FILE.read_text()).get(name, 0)
    for seed in _in_turn(kept, seeds_max):
        violations = simulate(seed).violations
        if violations:
            if seed != kept and "PERDURE_REWRITE_GOLDEN" in os.environ:
                _keep(name, seed)
            return seed, violations[0]
    return None


def _in_turn(kept: int, seeds_max: int) -> Iterator[int]:
    """The kept one first, then all others."""
    if 1 <= kept <= seeds_max:
        yield kept
    yield from (seed for seed in range(1, seeds_max + 1) if seed != kept)


def _kept(text: str) -> dict[str, int]:
    pairs = (line.split() for line in text.splitlines())
    return {name: int(seed) for name, seed in pairs}


def _keep(name: str, seed: int) -> None:
    """Several workers write at once."""
    with FILE.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        kept = _kept(file.read()) | {name: seed}
        file.seek(0)
        file.truncate()
        file.writelines(f"{name} {seed}\n" for name, seed in sorted(kept.items()))
