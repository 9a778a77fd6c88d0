"""How much large state may go along with the attempts that one round of the event loop begins.

Reading and writing 5,000 values takes 20 ms. Attempts beyond the budget wait as for a slot, until
the next round.
"""

from collections.abc import Callable
from typing import Final

from orchestrator.runtime.scheduler import CallSoon

VALUES_MAX: Final = 2_000
VALUE_BYTES: Final = 4 * 1024  # that many bytes cost about as much as a value
SMALL_COUNT: Final = 100  # a state up to this does not count


class RoundBudget:
    """Counts values of large states. `refilled` is called in the round after one that spent it."""

    __slots__ = ("_call_soon", "_left", "_refilled")

    def __init__(self, call_soon: CallSoon, refilled: Callable[[], None]) -> None:
        self._call_soon = call_soon
        self._refilled = refilled
        self._left = VALUES_MAX

    @property
    def is_spent(self) -> bool:
        return self._left <= 0

    def spend(self, values_count: int, size_bytes: int) -> None:
        """An attempt begins with so much state."""
        cost = max(values_count, size_bytes // VALUE_BYTES)
        if cost > SMALL_COUNT:
            was_spent = self.is_spent
            self._left -= cost
            if self.is_spent and not was_spent:
                self._call_soon(self._refill)

    def _refill(self) -> None:
        self._left = VALUES_MAX
        self._refilled()
