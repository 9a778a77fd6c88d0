"""Gauges of the seats of a process, read at a scrape."""

from collections.abc import Callable, Sequence
from typing import Final

from orchestrator.model.rows import PartitionRow
from orchestrator.model.values import LIVE_STATUSES, STATUS_NAMES
from orchestrator.processor.seat import Seat
from orchestrator.runtime.metrics import (
    APPEND_AGE,
    APPLIED,
    APPLIED_BYTES,
    LAG,
    LIVE,
    OUTBOX,
    PARTITIONS,
    PROPOSALS,
    RESTORE_PROGRESS,
    TIMERS,
)
from orchestrator.runtime.telemetry import Telemetry

STATES: Final = ("restoring", "following", "leading", "stopped")


def measure_seats(
    telemetry: Telemetry, seats: Callable[[], Sequence[Seat]], now_s: Callable[[], float]
) -> None:
    """Let `telemetry` ask the seats."""

    def states() -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {(state,): 0 for state in STATES}
        for seat in seats():
            found[(_state(seat),)] += 1
        return found

    def append_age_s() -> float:
        appends = [seat.in_flight for seat in seats()]
        return max((now_s() - one.at_s for one in appends if one is not None), default=0.0)

    def timers() -> int:
        terms = [seat.term for seat in seats()]
        return sum(len(term.due) for term in terms if term is not None)

    def led() -> list[PartitionRow]:
        terms = [seat.term for seat in seats()]
        return [term.state.partition_row for term in terms if term is not None]

    def live() -> dict[tuple[str, ...], float]:
        counts = [own.live for own in led()]
        return {
            (STATUS_NAMES[status],): sum(count[status] for count in counts)
            for status in range(LIVE_STATUSES)
        }

    def outbox() -> int:
        return sum(lane.given - lane.trimmed for own in led() for lane in own.lanes.values())

    def restored() -> dict[tuple[str, ...], float]:
        return {(str(s.number),): s.progress.ratio for s in seats() if s.progress is not None}

    def lags() -> dict[tuple[str, ...], float]:
        return {(str(seat.number),): _lag(seat) for seat in seats() if not seat.stopped}

    telemetry.ask(RESTORE_PROGRESS, restored)
    telemetry.ask(LAG, lags)
    telemetry.ask(PARTITIONS, states)
    telemetry.ask(APPEND_AGE, append_age_s)
    telemetry.ask(TIMERS, timers)
    telemetry.ask(LIVE, live)
    telemetry.ask(OUTBOX, outbox)
    telemetry.ask(APPLIED, _Total(seats, lambda seat: seat.record_count))
    telemetry.ask(APPLIED_BYTES, _Total(seats, lambda seat: seat.byte_count))
    telemetry.ask(PROPOSALS, lambda: sum(len(seat.pending.waiting) for seat in seats()))


class _Total:
    """The sum of what each seat has counted. A seat that comes anew counts from 0 again."""

    def __init__(
        self, seats: Callable[[], Sequence[Seat]], count_of: Callable[[Seat], int]
    ) -> None:
        self._seats = seats
        self._count_of = count_of
        self._total = 0
        self._seen: dict[int, int] = {}  # of each partition, when somebody last looked

    def __call__(self) -> int:
        for seat in self._seats():
            before, count = self._seen.get(seat.number, 0), self._count_of(seat)
            self._total += count - before if count >= before else count
            self._seen[seat.number] = count
        return self._total


def _lag(seat: Seat) -> int:
    """Offsets that are known to be in the log and are not applied."""
    if seat.progress is not None:
        return seat.progress.lag
    append = seat.in_flight
    return len(append.messages) if append is not None and append.is_acknowledged else 0


def _state(seat: Seat) -> str:
    if seat.stopped:
        return "stopped"
    if seat.term is not None:
        return "leading"
    return "restoring" if seat.partition is None else "following"
