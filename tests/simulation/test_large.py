"""In large worlds no callback does more, and no process holds more, than in smaller ones."""

import pytest

from tests.simulation import large_mutants
from tests.simulation.large import run_large
from tests.simulation.meter import Meter
from tests.simulation.mutation import patched

WORK = {
    "records applied": 350,  # a chunk of the log, while a store is restored; else a turn
    "rows read": 700,
    "rows scanned": 100,
    "rows written": 1_000,  # by a spill: what makes it due, and what came until its turn
    "proposals taken": 100,
    "actions performed": 250,
    "attempts asked for": 150,
    "clients told": 120,
}
HELD = {
    "bytes of rows": 2 << 20,
    "rows": 2_000,
    "rows to be written": 1_200,
    "timers": 3 * 2 * 150,
    "attempts": 400,
}
WORLDS = [
    (name, count)
    for name, counts in {
        "waiting": (1_000, 2_000),
        "sleeping": (1_500, 3_000),
        "queued": (1_500, 3_000),
        "fan-out": (500, 1_000),
        "slow partition": (1_000, 2_000),
    }.items()
    for count in counts
]


def beyond(meter: Meter) -> list[str]:
    found = []
    for measured, bounds in ((meter.work, WORK), (meter.held, HELD)):
        found += [
            f"{unit}: {measured[unit]} of {bound}"
            for unit, bound in bounds.items()
            if measured[unit] > bound
        ]
    return found


@pytest.mark.parametrize(("name", "count"), WORLDS, ids=lambda value: str(value))
def test_the_most_of_a_callback_does_not_grow(name: str, count: int) -> None:
    verdict, meter = run_large(name, count)
    assert verdict.violations == []
    assert beyond(meter) == []
    assert meter.total["records applied"] > 2 * count  # it came to something


@pytest.mark.parametrize("mutant", large_mutants.LARGE, ids=lambda mutant: mutant.__name__)
def test_a_mutant_goes_beyond(mutant: large_mutants.Found) -> None:
    name, unit = large_mutants.LARGE[mutant]
    with patched(mutant):
        count = 1_500 if name != "fan-out" else 500
        verdict, meter = run_large(name, count, (unit, (WORK | HELD).get(unit)))
    found = [*beyond(meter), *(line for line in verdict.violations if line.startswith("held"))]
    assert any(line.startswith(unit) for line in found), f"{mutant.__doc__}: {found}"
