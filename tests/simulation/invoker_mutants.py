"""Mutants of the invoker: who gets slots, and what a stream is sent when there is room."""

from typing import Any

from orchestrator.invoker.feed import Feed
from orchestrator.invoker.invoker import Invoker
from orchestrator.invoker.running import RunningAttempt
from orchestrator.invoker.slots import Slots
from tests.simulation.mutation import Patch, mutant


@mutant
def deployments_that_hang_take_all_slots(patch: Patch) -> None:
    """First come, first served: no share is kept free for those that run few."""

    def has_room(self: Slots, deployment: str) -> bool:
        if self._total >= self._total_max:
            return False
        return self.running_of(deployment) < self._bound_of(deployment)

    patch.set(Slots, "has_room", has_room)


@mutant
def what_did_not_fit_is_never_sent(patch: Patch) -> None:
    """A replay stops at its first window."""
    patch.set(RunningAttempt, "on_drained", lambda self: None)


@mutant
def notifications_overtake_a_replay(patch: Patch) -> None:
    """They are handed over while earlier entries are still to be sent."""
    patch.set(Feed, "is_direct", property(lambda self: True))


@mutant
def what_came_during_a_replay_is_not_looked_for(patch: Patch) -> None:
    """From the end of the replay on notifications are handed over directly."""

    def take(self: Feed, frames: list[bytes], place: Any) -> list[bytes]:
        taken: list[bytes] = before(self, frames, place)
        self.is_behind = False
        return taken

    before = patch.set(Feed, "take", take)


@mutant
def entries_that_are_read_again_are_counted_wrong(patch: Patch) -> None:
    """Commands are not counted, so that notifications seem to be known already."""

    def notifications(self: Feed, stored: bytes) -> list[bytes]:
        self._index = 0
        told: list[bytes] = before(self, stored)
        return told

    before = patch.set(Feed, "_notifications", notifications)


@mutant
def all_services_are_held_back_with_one_partition(patch: Patch) -> None:
    """A partition that cannot append stops the services of the others."""

    def hold_back(self: Invoker, source: Any, held_back: bool) -> None:
        before(self, source, held_back)
        for running in list(self._running.values()):
            if running.exchange is not None:
                running.exchange.hold_back(held_back)

    before = patch.set(Invoker, "hold_back", hold_back)
