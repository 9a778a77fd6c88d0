"""What a seat asks of the loop it belongs to."""

from collections.abc import Callable, Sequence
from typing import Protocol

from orchestrator.processor.waiters import Failing


class SeatHost(Protocol):
    """The loop that the seats of a process belong to."""

    def wake(self) -> None:
        """There are proposals to append."""
        ...

    def watch(self) -> None:
        """Look after the seats until nothing waits, and each has a leader."""
        ...

    def store_restored(self) -> None:
        """A store is open and filled from the log."""
        ...

    def stepped_down(self) -> None:
        """A term is over."""
        ...

    def fail_waiters(self, waiters: Sequence[Failing], reason: str, kept: bool) -> None:
        """Call `failed` of each of them, in slices."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> object: ...

    def now_s(self) -> float: ...

    def catch_up(self, number: int) -> None:
        """Read what others wrote, then apply the acknowledged append of this partition's seat."""
        ...
