"""Mutants that do too much at once, or keep too much: each is found by a large world."""

from collections.abc import Callable, Iterator
from typing import Any

from orchestrator.machine import apply, apply_chore
from orchestrator.machine.recover import Recovery
from orchestrator.machine.step import Step
from orchestrator.processor import late_results, waiters
from orchestrator.processor.proposals import ProposalQueue
from orchestrator.processor.seats import Seats
from orchestrator.processor.slices import Slices
from orchestrator.processor.upkeep import Upkeep
from orchestrator.processor.waiters import Results
from orchestrator.tables.cache import Cache
from orchestrator.timers.queue import TimerQueue
from tests.simulation.mutation import Patch

ALL = 1 << 30
Found = Callable[[Patch], None]
LARGE: dict[Found, tuple[str, str]] = {}  # a mutant -> the world, and what it goes beyond


def large_mutant(world: str, unit: str) -> Callable[[Found], Found]:
    def keep(mutant: Found) -> Found:
        LARGE[mutant] = world, unit
        return mutant

    return keep


@large_mutant("waiting", "clients told")
def slices_never_end(patch: Patch) -> None:
    """Whatever is to be done in slices is done at once."""

    def add(self: Slices, work: Callable[[], bool]) -> None:
        def whole() -> bool:
            while work():
                pass
            return False

        before(self, whole)

    before = patch.set(Slices, "add", add)


@large_mutant("fan-out", "rows scanned")
def a_term_begins_in_one_callback(patch: Patch) -> None:
    def step(self: Recovery, count_max: int, actions: list[Any]) -> bool:
        while before(self, ALL, actions):
            pass
        return False

    before = patch.set(Recovery, "step", step)


@large_mutant("sleeping", "rows scanned")
def timers_are_loaded_all_at_once(patch: Patch) -> None:
    def load(self: TimerQueue, now_ms: int, at_ms: int, keys: Iterator[bytes], most: int) -> bool:
        more: bool = before(self, now_ms, at_ms, keys, ALL)
        return more

    before = patch.set(TimerQueue, "load", load)


@large_mutant("sleeping", "timers")
def timers_that_are_due_soon_are_all_held(patch: Patch) -> None:
    patch.set(TimerQueue, "_let_go", lambda self: None)


@large_mutant("sleeping", "attempts asked for")
def timers_fire_all_at_once(patch: Patch) -> None:
    def due(self: TimerQueue, monotonic_ms: int, count_max: int) -> Any:
        return before(self, monotonic_ms, ALL)

    before = patch.set(TimerQueue, "due", due)


@large_mutant("waiting", "clients told")
def results_are_told_all_at_once(patch: Patch) -> None:
    def tell_some(told: Any, reply: Any, part: float) -> float:
        while told:
            told.popleft().reply(reply)
        return 0.0

    patch.set(waiters, "_reply_to_some", tell_some)


@large_mutant("waiting", "clients told")
def who_waits_is_failed_all_at_once(patch: Patch) -> None:
    def fail_waiters(self: Seats, failing: Any, reason: str, kept: bool) -> None:
        for waiter in failing:
            waiter.failed(reason, kept)

    patch.set(Seats, "fail_waiters", fail_waiters)


@large_mutant("waiting", "rows read")
def late_results_are_looked_up_all_at_once(patch: Patch) -> None:
    def step(self: late_results.LateResults) -> bool:
        while before(self):
            pass
        return False

    before = patch.set(late_results.LateResults, "step", step)


@large_mutant("waiting", "proposals taken")
def a_pending_queue_is_taken_whole(patch: Patch) -> None:
    patch.set(ProposalQueue, "take", lambda self, work_max, bytes_max: (self.take_all(), 0))


@large_mutant("queued", "rows read")
def a_queue_is_walked_in_one_record(patch: Patch) -> None:
    def step(*arguments: Any) -> Step:
        made = Step(*arguments)
        made.places_left = ALL
        return made

    patch.set(apply, "Step", step)


@large_mutant("fan-out", "actions performed")
def children_are_killed_in_one_record(patch: Patch) -> None:
    def clear_up_more(step: Step, chore: Any, count: int) -> Any:
        return before(step, chore, ALL)

    before = patch.set(apply_chore, "clear_up_more", clear_up_more)


@large_mutant("fan-out", "rows written")
def rows_are_counted_too_rarely(patch: Patch) -> None:
    """A spill is due when a hundred records came, however many rows they wrote."""

    def spill_if_due(self: Upkeep, now_s: float) -> Any:
        self._count_at_bytes = ALL
        if self._seat.record_count < self._spilled_at + 100 and now_s - self._spilled_s < 0.5:
            return False
        return before(self, now_s)

    before = patch.set(Upkeep, "spill_if_due", spill_if_due)


@large_mutant("sleeping", "bytes of rows")
def rows_are_kept_without_a_budget(patch: Patch) -> None:
    patch.set(Cache, "shrink", lambda self, bytes_max=None: None)


@large_mutant("waiting", "held")
def clients_that_left_still_wait(patch: Patch) -> None:
    patch.set(Results, "drop", lambda self, waiter: None)
