"""A term with a carrier to topics, and its writer, which answers when the test likes."""

from collections.abc import Callable, Sequence
from functools import partial

from orchestrator.brokers.writer_port import (
    Committed,
    ForeignLedger,
    Lost,
    NotCommitted,
    Problem,
    ProblemCode,
    TopicRows,
    WriterReady,
)
from orchestrator.machine.letters import OF_SENDS
from orchestrator.model.lanes import Lane, ToTopic
from orchestrator.model.topic_records import CloseLane, OutboxRefused, Produce, Produced
from orchestrator.model.topics import SEND
from orchestrator.outbox.pace import CommitPace
from orchestrator.outbox.topics import TopicCarrier
from orchestrator.runtime.scheduler import LoopScheduler

Sent = dict[int, tuple[int, int]]  # by lane: first row, count


class Writer:
    def __init__(self) -> None:
        self.opening: Callable[[WriterReady | ForeignLedger | Lost], None] | None = None
        self.writing: Callable[[Committed | NotCommitted | Lost], None] | None = None
        self.rows: Sequence[TopicRows] = ()
        self.is_closed = False

    def open(self, done: Callable[[WriterReady | ForeignLedger | Lost], None]) -> None:
        self.opening = done

    def write(
        self, rows: Sequence[TopicRows], done: Callable[[Committed | NotCommitted | Lost], None]
    ) -> None:
        assert self.writing is None and not self.is_closed
        self.rows, self.writing = rows, done

    def close(self) -> None:
        self.is_closed = True

    # what the test does

    def opened(self, found: WriterReady | ForeignLedger | Lost) -> None:
        assert self.opening is not None
        opening, self.opening = self.opening, None
        opening(found)

    def ready(self, **last: int) -> None:
        self.opened(WriterReady({int(lane[1:]): number for lane, number in last.items()}))

    @property
    def sent(self) -> Sent:
        return {each.lane: (each.first, len(each.records)) for each in self.rows}

    def answer(self, end: Committed | NotCommitted | Lost) -> None:
        assert self.writing is not None
        writing, self.writing = self.writing, None
        writing(end)

    def commit(self) -> None:
        places = {
            each.lane: tuple((0, 100 + each.first + at) for at in range(len(each.records)))
            for each in self.rows
        }
        self.answer(Committed(places))

    def fail(self, code: ProblemCode, *lanes: int) -> None:
        self.answer(NotCommitted("no", {lane: Problem(code, "no") for lane in lanes}))


class Term:
    """A term, and the sender of its outbox in small: lanes of rows that are all for the carrier."""

    epoch = 5

    def __init__(self) -> None:
        self.writers: list[Writer] = []
        self.records: list[Produced | OutboxRefused | CloseLane] = []
        self.lanes: dict[int, Lane] = {}
        self.kinds: dict[int, int] = {}
        self.awaited: set[tuple[int, int]] = set()
        self.taken: dict[int, int] = {}
        self.is_busy: set[int] = set()
        self.options: str | None = "brokers"
        self.is_readable = True  # the store of the rows
        self.held_bytes = 0  # of dead letters of sends
        self.carrier = TopicCarrier("c", self, CommitPace(), LoopScheduler())

    def now_ms(self) -> int:
        return 77

    def propose(self, record: Produced | OutboxRefused | CloseLane) -> None:
        self.records.append(record)

    def letter_bytes(self, subscription: str) -> int:
        assert subscription == OF_SENDS
        return self.held_bytes

    def options_of(self, cluster: str) -> str | None:
        return self.options

    def open_writer(self, cluster: str) -> Writer:
        assert cluster == "c"
        self.writers.append(Writer())
        return self.writers[-1]

    @property
    def writer(self) -> Writer:
        return self.writers[-1]

    def give(self, lane: int, count: int = 1, kind: int = SEND) -> None:
        row = self.lanes.setdefault(lane, Lane(ToTopic("c", f"t{lane}")))
        row.given += count
        self.kinds[lane] = kind
        self.send(lane)

    def send(self, lane: int) -> None:
        row = self.lanes[lane]
        first = self.taken.get(lane, 0) + 1
        if lane in self.is_busy or first > row.given:
            return
        self.is_busy.add(lane)
        rows = partial(self.rows, lane, first)
        self.carrier.carry(lane, row, first, rows, partial(self.settled, lane))

    def rows(self, lane: int, first: int) -> tuple[Produce, ...]:
        return tuple(
            Produce(
                self.kinds[lane], None, b"k", (), b"v", 0, awaited=(lane, number) in self.awaited
            )
            for number in range(first, self.lanes[lane].given + 1)
            if self.is_readable
        )

    def refused(self, number: int, epoch: int = 5, applied: bool = True) -> None:
        """Of lane 1, a record of this term or another."""
        if applied:
            self.lanes[1].trimmed = number
        self.carrier.refused(OutboxRefused(epoch, 77, 1, number, "too_large", "no"))

    def settled(self, lane: int, upto: int) -> None:
        self.is_busy.remove(lane)
        self.taken[lane] = upto
        self.send(lane)
