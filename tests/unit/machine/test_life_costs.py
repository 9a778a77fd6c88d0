"""What the life of a call costs in the machine and its tables, spill included, in calls of
functions: a limit that no load makes flaky."""

from tests.parts.call_counts import calls_of
from tests.unit.machine.bench import Bench, uid

LIVES = 50  # of one partition between two spills, about as under load
CALLS_MAX = 72  # of one life: admitted, begun, completed, listed, written


def _live(bench: Bench, first: int) -> None:
    for number in range(first, first + LIVES):
        bench.invoke(uid(number))
        bench.finish(uid(number))
    bench.state.spill()


def test_a_life_costs_few_calls_of_functions() -> None:
    bench = Bench()
    _live(bench, 0)  # what is made once is made
    assert calls_of(lambda: _live(bench, LIVES)) / LIVES <= CALLS_MAX


def test_listing_costs_a_few_calls_of_each() -> None:
    """Not a dozen: it is done for many at a time."""
    bench = Bench()
    _live(bench, 0)
    for number in range(LIVES, 2 * LIVES):
        bench.invoke(uid(number))
        bench.finish(uid(number))
    assert calls_of(lambda: list(bench.state.listings.scan())) / LIVES <= 5
