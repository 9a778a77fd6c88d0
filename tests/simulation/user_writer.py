"""The `TopicWriter` port over a broker of users' topics: transactions with their ledger records."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from orchestrator.brokers.ledger import ForeignEntry
from orchestrator.brokers.writer_port import (
    Committed,
    ForeignLedger,
    Lost,
    NotCommitted,
    OutRecord,
    Problem,
    ProblemCode,
    TopicRows,
    WriterReady,
)
from tests.simulation.user_broker import COMMITTED, OPEN, Transaction, UserBroker
from tests.simulation.user_ledger import LedgerPlace

VALUE_BYTES_MAX = 3_000
Opened = Callable[[WriterReady | ForeignLedger | Lost], None]
Written = Callable[[Committed | NotCommitted | Lost], None]


class WriterOptions(NamedTuple):
    """As a process that leads a partition opens it."""

    at: LedgerPlace
    identity: bytes  # of the log
    taken_over: tuple[bytes, ...]  # logs whose entries count no longer


class Fences(Protocol):
    """Whether its process may use the transactional id again, and what it may send then."""

    def fenced(self) -> None:
        """It is told that another writer was opened."""
        ...

    def opens(self) -> None:
        """It opens a writer, and so fences all others."""
        ...

    def reads(self) -> None:
        """It goes on by what the ledger says now."""
        ...

    def writes(self, rows: Sequence[TopicRows]) -> None:
        """It sends these."""
        ...


class UserWriter:
    """Of one engine partition, in one process. `lives` is false once that is dead."""

    def __init__(
        self,
        broker: UserBroker,
        options: WriterOptions,
        lives: Callable[[], bool],
        is_away: Callable[[], bool],
        fences: Fences,
    ) -> None:
        self._broker = broker
        self._options = options
        self._id = f"{options.at.cluster}/{options.at.partition}"
        self._is_away = is_away
        self._lives = lives
        self._fences = fences
        self._epoch = -1
        self._is_closed = False

    def open(self, done: Opened) -> None:
        self._broker.later(lambda: self._fence(done))

    def _fence(self, done: Opened) -> None:
        if not self._goes_on():
            return
        if self._is_away() or self._broker.is_away():
            self._broker.later(lambda: self._tell(done, Lost("away", False)), 0.1)
            return
        self._fences.opens()
        self._epoch = self._broker.fence(self._id)
        self._broker.later(lambda: self._read(done))

    def _read(self, done: Opened) -> None:
        """After the fence, so that nothing can come after what is read. Where another writer was
        opened meanwhile, this one is told, or finds out when it writes."""
        broker = self._broker
        if broker.epochs.get(self._id) != self._epoch and broker.random.random() < 0.7:
            self._tell_fenced(done)
            return
        self._tell_found(done, self.look())

    def look(self) -> WriterReady | ForeignLedger:
        """What the ledger says."""
        try:
            return WriterReady(self._broker.ledger.read(*self._options))
        except ForeignEntry as foreign:
            return ForeignLedger(f"it belongs to {foreign}")

    def _tell_found(self, done: Opened, found: WriterReady | ForeignLedger) -> None:
        if self._goes_on():
            if isinstance(found, WriterReady):
                self._fences.reads()
            done(found)

    def write(self, rows: Sequence[TopicRows], done: Written) -> None:
        broker = self._broker
        problems = {one.lane: found for one in rows if (found := self._problem(one)) is not None}
        if broker.epochs.get(self._id) != self._epoch:
            broker.later(lambda: self._tell_fenced(done))
        elif problems:
            broker.later(lambda: self._tell(done, NotCommitted("problems", problems)))
        elif broker.is_away():
            broker.later(lambda: self._tell(done, NotCommitted("away", {})), 0.1)
        else:
            self._fences.writes(rows)
            transaction = broker.begin(self._id)
            places = {one.lane: self._append(one, transaction) for one in rows}
            commit_s = broker.commit_s()
            broker.later(lambda: self._commit(rows, transaction, places, done), commit_s)

    def _problem(self, rows: TopicRows) -> Problem | None:
        if rows.topic not in self._broker.topics:
            return Problem(ProblemCode.NO_TOPIC, f"no topic {rows.topic}")
        if rows.topic == "out" and any(_is_too_large(record) for record in rows.records):
            return Problem(ProblemCode.TOO_LARGE, "too large")
        return None

    def _append(self, rows: TopicRows, transaction: Transaction) -> tuple[tuple[int, int], ...]:
        broker, topic = self._broker, self._broker.topics[rows.topic]
        places = []
        for number, record in enumerate(rows.records, rows.first):
            partition = record.partition
            if partition < 0:
                partition = broker.partition_for(topic, record.key)
            row = (self._options.at.partition, rows.lane, number)
            made = broker.append(
                topic, partition, record.key, record.value, record.headers, transaction, row
            )
            places.append((partition, made.offset))
        return tuple(places)

    def _commit(
        self,
        rows: Sequence[TopicRows],
        transaction: Transaction,
        places: dict[int, tuple[tuple[int, int], ...]],
        done: Written,
    ) -> None:
        broker = self._broker
        if broker.epochs.get(self._id) != self._epoch or transaction.state != OPEN:
            self._tell_fenced(done)
            return
        if not self._lives():  # what it asked for last may have been on its way
            if broker.random.random() < 0.5:
                self.note(rows, transaction)
            return
        if broker.random.random() < broker.faults.commit_unknown:
            if broker.random.random() < 0.5:
                self.note(rows, transaction)
            self._tell(done, Lost("no answer", False))
            return
        self.note(rows, transaction)
        self._tell(done, Committed(places))

    def note(self, rows: Sequence[TopicRows], transaction: Transaction) -> None:
        """The ledger's records are part of the transaction."""
        broker = self._broker
        broker.opened.pop(self._id, None)
        broker.finish(transaction, COMMITTED)
        at, identity, _ = self._options
        for one in rows:
            broker.ledger.write(at, identity, one.lane, one.last)

    def close(self) -> None:
        self._is_closed = True

    def _goes_on(self) -> bool:
        return not self._is_closed and self._lives()

    def _tell_fenced(self, done: Callable[[Lost], None]) -> None:
        if self._goes_on():
            self._fences.fenced()
            done(Lost("fenced", True))

    def _tell(self, done: Callable[..., None], answer: object) -> None:
        if self._goes_on():
            done(answer)


def _is_too_large(record: OutRecord) -> bool:
    return len(record.value or b"") > VALUE_BYTES_MAX
