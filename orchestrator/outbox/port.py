"""The ports of the outbox: the rows it reads, and what carries them to their destination."""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from orchestrator.model.lanes import Lane
from orchestrator.model.records import OutboxItem

RETRY_FIRST_S: Final = 0.05  # before what failed is tried again, twice as long each time
RETRY_MAX_S: Final = 2.0

Rows = Callable[[], tuple[OutboxItem, ...]]
"""Rows of a lane, in order, as many as may travel together; none if they cannot be read."""


class LaneView(NamedTuple):
    """A lane to a topic that has rows, for people: when the first of them was given, None if it
    cannot be read, and why they cannot be sent now, "" if they can."""

    oldest_ms: int | None
    reason: str = ""


class LaneRows(Protocol):
    """The outbox of one partition, as its applied state has it."""

    def lane(self, number: int) -> Lane | None:
        """A lane and its counts now; None if it was never opened or is gone."""
        ...

    def item(self, lane: int, number: int) -> OutboxItem | None:
        """One row. StoreError if it cannot be read."""
        ...


class Carrier(Protocol):
    """Takes rows of lanes to one kind of destination.

    Of one lane at most one call is under way. Whatever a carrier is given may be given again
    after a failure or by the next leader: the destination must count each number once.
    """

    @property
    def rows_max(self) -> int:
        """How many rows it takes in one call."""
        ...

    @property
    def trims(self) -> bool:
        """Whether the carrier itself proposes the records that trim its lanes."""
        ...

    def carry(
        self,
        number: int,
        lane: Lane,
        first: int,
        rows: Rows,
        settled: Callable[[int], None],
    ) -> None:
        """Hand over the rows `first` and up of lane `number`.

        There is one at least; `rows` may be asked later, for all that there are by then, and gives
        nothing if they cannot be read: then the term is about to end, and nothing is settled.
        `settled` is called once, at once or later, with the number of the last row that is known
        to be at the destination: below `first` if none of these is, and perhaps above the last of
        these, if the destination knows of more. It never raises.
        """
        ...
