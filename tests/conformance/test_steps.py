"""Steps (ctx.run): retried, given up, made durable before the next one, seen once."""

from __future__ import annotations

from functools import partial

from tests.conformance.world import World
from tests.parts.client import Client, at_once, fresh
from tests.parts.laboratory import Laboratory


def test_a_step_is_retried_until_it_succeeds(client: Client) -> None:
    target = ("Failing", fresh(), "sideEffectSucceedsAfterGivenAttempts")
    assert client.call(target, 3) >= 3


def test_a_step_with_one_attempt_runs_once(client: Client) -> None:
    target = ("Failing", fresh(), "sideEffectFailsAfterGivenAttempts")
    before = client.call(target, 1)
    assert client.call(target, 1) == before + 1


def test_a_step_is_given_up_after_its_attempts(client: Client) -> None:
    target = ("Failing", fresh(), "sideEffectFailsAfterGivenAttempts")
    before = client.call(target, 1)
    assert client.call(target, 3) == before + 3


def test_steps_are_durable_before_the_next_one(world: World) -> None:
    """Where each wait ends the attempt, the last attempt replays all three and runs none."""
    executed = world.client.call(("TestUtilsService", "countExecutedSideEffects"), 3)
    assert executed == (0 if world.combination.suspending else 3)


def test_each_step_runs_once_without_crashes(client: Client, laboratory: Laboratory) -> None:
    def many(count: int) -> None:
        name = fresh("steps")
        result = client.call(("Steps", "manySteps"), {"name": name, "count": count}, timeout_s=60)
        assert result == [number * number for number in range(count)]
        assert laboratory.marks(name) == [str(number) for number in range(count)]

    at_once([partial(many, count) for count in (1, 10, 30)])
