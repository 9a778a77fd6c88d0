"""What worlds themselves hold to, so that a seed that fails shows a fault of the engine."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

from orchestrator.processor.reading import _may_fit
from orchestrator.store.stamp import Stamp
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.user_broker import UserBroker, UserFaults
from tests.simulation.world import World

SEEDS = range(1, 41)


@contextmanager
def _world(seed: int, copies: tuple[int, ...]) -> Iterator[World]:
    """Its log is trimmed below the older copy."""
    loop = VirtualLoop()
    try:
        world = World(seed, loop)
        world.topic.append(0, [b"message"] * 45)
        world.topic.firsts[0] = copies[0] - 1
        for applied in copies:
            world.homes[0].keep(applied, {})
        yield world
    finally:
        loop.close()


def _fits(world: World) -> bool:
    """A copy stands for an offset that the log still reaches."""
    bounds = world.topic.firsts[0], world.topic.nexts[0]
    stamps = [Stamp(b"topic", 0, at, at - 1) for at in world.homes[0].copies]
    return any(_may_fit(stamp, 0, b"topic", *bounds) for stamp in stamps)


def test_a_leader_that_copies_before_it_hears_of_a_loss_keeps_a_copy_that_fits() -> None:
    for seed in SEEDS:
        with _world(seed, (22, 39)) as world:
            world.lose_tail(is_led=True)
            world.homes[0].keep(47, {})
            assert _fits(world)


def test_a_loss_between_two_processes_reaches_below_the_newest_copy() -> None:
    ends = set()
    for seed in SEEDS:
        with _world(seed, (36, 43)) as world:
            world.lose_tail()
            assert _fits(world)
            ends.add(world.topic.nexts[0])
    assert min(ends) < 43


def test_a_log_that_is_trimmed_loses_nothing_where_no_copy_is_left() -> None:
    with _world(1, (36, 43)) as world:
        world.homes[0].copies.clear()
        assert world.lose_tail() == 0


def test_what_came_in_place_of_a_lost_tail_and_was_not_kept_is_lacked_too() -> None:
    loop = VirtualLoop()
    broker = UserBroker(loop, Random(1), UserFaults(), Random(1))
    jobs = broker.make("jobs", 1)
    (held,) = jobs.partitions
    broker.cut(jobs, 1)
    for _ in range(4):  # a reader has these, of the first epoch
        broker.append(jobs, 0, b"k", b"v", ())
    broker.cut(jobs, 1)
    for _ in range(4):
        broker.append(jobs, 0, b"k", b"v", ())
    broker.retain(jobs, 2)
    loop.close()
    assert (held.end_for(1), held.start, held.next) == (3, 5, 7)
    assert held.lacked_from(4, 1) == 3
    assert held.lacked_from(4, 2) == 4  # of who has read what came in its place
