"""Mutants of the pace that a store which lags sets its partition (ADR 0007)."""

from functools import partial

from orchestrator.processor.seat import Seat
from orchestrator.processor.seat_states import Leading
from tests.simulation.mutation import Patch, mutant


@mutant
def who_writes_much_never_rests(patch: Patch) -> None:
    patch.set(Seat, "rest", lambda self, pause_s: None)


@mutant
def who_rests_never_wakes(patch: Patch) -> None:
    def rest(self: Seat, pause_s: float) -> None:
        if type(self.state) is Leading:
            self.state.pauses += 1

    patch.set(Seat, "rest", rest)


@mutant
def who_has_rested_is_not_woken(patch: Patch) -> None:
    """It goes on when somebody proposes something, and what waits already waits for that."""

    def rest(self: Seat, pause_s: float) -> None:
        if type(self.state) is Leading:
            self.state.pauses += 1
            self._host.call_later(pause_s, partial(over, self.state))

    def over(leading: Leading) -> None:
        leading.pauses -= 1

    patch.set(Seat, "rest", rest)
