"""Trims rows of lanes to topics that are committed: at once if an invocation waits or they are
many, else once a second."""

from collections.abc import Callable, Sequence
from typing import Final

from orchestrator.model.topic_records import Produce
from orchestrator.runtime.scheduler import Scheduler, Timer

TRIM_ROWS: Final = 16
"""One record for so many costs less than the store would, which they reach at the next spill."""
TRIM_S: Final = 1.0


class CommittedRows:
    """Of one partition and broker cluster; `propose` makes a Produced of its epoch."""

    def __init__(
        self,
        propose: Callable[[int, int, tuple[tuple[int, int, int], ...]], None],
        scheduler: Scheduler,
    ) -> None:
        self._propose = propose
        self._scheduler = scheduler
        self._upto: dict[int, int] = {}  # by lane: committed, not trimmed
        self._count = 0
        self._timer: Timer | None = None

    def add(
        self, lane: int, first: int, items: Sequence[Produce], places: Sequence[tuple[int, int]]
    ) -> None:
        """Rows are committed. Without `places` nobody knows where."""
        self._upto[lane] = first + len(items) - 1
        answers = tuple(
            (first + at, *place)
            for at, (item, place) in enumerate(zip(items, places, strict=False))
            if item.awaited and place[1] >= 0
        )
        if any(item.awaited for item in items):
            self._report(lane, answers)
            return
        self._count += len(items)
        if self._count >= TRIM_ROWS:
            self.report_all()
        elif self._timer is None:
            self._timer = self._scheduler.call_later(TRIM_S, self.report_all)

    def report(self, lane: int) -> None:
        """Now, if there is anything of this lane."""
        if lane in self._upto:
            self._report(lane, ())

    def report_all(self) -> None:
        self.stop()
        for lane in sorted(self._upto):
            self._report(lane, ())
        self._count = 0

    def _report(self, lane: int, answers: tuple[tuple[int, int, int], ...]) -> None:
        self._propose(lane, self._upto.pop(lane), answers)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
