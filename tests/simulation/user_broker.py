"""A broker of users' topics: transactions, fencing, compaction, retention, topics made anew.

It keeps all it ever held, so that checkers can tell what a reader should have seen. Records of
transactions come after each other as they were appended; a reader sees none past the first that
is still open. What goes wrong is decided by chance, per call.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from orchestrator.brokers.reader_port import (
    InRecord,
    OnBatch,
    OnProblem,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
)
from orchestrator.model.topics import RecordHeaders
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.user_ledger import UserLedger

OPEN, COMMITTED, ABORTED = range(3)
TRANSACTION_TIMEOUT_S = 3.0
SLOW_S = 1.5  # below that: a commit that takes longer is not waited for
BATCH_MAX = 6


@dataclass
class UserFaults:
    """Chances per call, from 0 to 1, and times in seconds."""

    away: float = 0.0  # the brokers do not answer
    commit_unknown: float = 0.0  # committed or not, nobody is told
    reopened: float = 0.0  # a reading is disturbed, and says so
    slow: float = 0.0  # a commit takes long
    latency_s: float = 0.002


@dataclass
class Transaction:
    state: int = OPEN
    touched: "set[tuple[str, int]]" = field(default_factory=set)


@dataclass
class UserRecord:
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: RecordHeaders
    transaction: Transaction
    row: tuple[int, int, int] | None = None  # (engine partition, lane, number) it was sent as
    is_gone: bool = False  # by compaction or retention
    epoch: int = 0  # of the leader that took it


@dataclass
class UserPartition:
    records: list[UserRecord] = field(default_factory=list)  # all there ever were, but the lost
    start: int = 0
    next: int = 0
    cuts: list[int] = field(default_factory=list)  # where each leader epoch ended, from 0

    def end_for(self, epoch: int) -> int:
        """The end of what a reader of this epoch may have read; -1: it does not know."""
        return min([self.next, *self.cuts[epoch:]]) if epoch >= 0 else self.next

    def epoch_at(self, offset: int) -> int:
        """The first leader epoch in which this offset may have come."""
        cuts = self.cuts
        return next(e for e in range(len(cuts) + 1) if offset < min(cuts[e:], default=offset + 1))

    def lacked_from(self, position: int, epoch: int) -> int:
        """From where on a reader that stands before all that is kept may lack records.

        Brokers forget where an epoch ended below what they keep: of what came in the place of a
        lost tail, and was gone before it was read, they cannot tell.
        """
        return min(position, self.end_for(epoch))

    def stable(self) -> int:
        """The end for who reads only what is committed."""
        opened = [r.offset for r in self.records if r.transaction.state == OPEN]
        return opened[0] if opened else self.next

    def committed(self) -> list[UserRecord]:
        return [r for r in self.records if r.transaction.state == COMMITTED]


@dataclass
class UserTopic:
    name: str
    id: bytes
    partitions: list[UserPartition]


class UserBroker:
    """One broker cluster."""

    def __init__(
        self,
        loop: VirtualLoop,
        random: Random,
        faults: UserFaults,
        slow: Random,
        kafka_id: str = "kafka",
        first_id: int = 0,
    ) -> None:
        self.loop = loop
        self.kafka_id = kafka_id
        self.random = random
        self.faults = faults
        self.topics: dict[str, UserTopic] = {}
        self.past: list[UserTopic] = []  # deleted ones
        self.epochs: dict[str, int] = {}  # of transactional ids
        self.opened: dict[str, Transaction] = {}  # by transactional id
        self.ledger = UserLedger()
        self._listeners: list[Callable[[], None]] = []
        self._made = first_id  # the id of the latest topic
        self._slow = slow

    def make(self, name: str, partition_count: int) -> UserTopic:
        self._made += 1
        made = [UserPartition() for _ in range(partition_count)]
        topic = UserTopic(name, self._made.to_bytes(16, "big"), made)
        self.topics[name] = topic
        return topic

    def remake(self, name: str) -> None:
        """Deleted, and made anew under its name."""
        old = self.topics.pop(name)
        self.past.append(old)
        self.make(name, len(old.partitions))
        self.tell()

    def all_topics(self) -> list[UserTopic]:
        return [*self.past, *self.topics.values()]

    def committed(self, topic: str) -> list[UserRecord]:
        return [one for held in self.topics[topic].partitions for one in held.committed()]

    def listen(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def forget(self, listener: Callable[[], None]) -> None:
        self._listeners.remove(listener)

    def tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    def is_away(self) -> bool:
        return self.random.random() < self.faults.away

    def later(self, then: Callable[[], None], delay_s: float | None = None) -> None:
        wait_s = self.random.random() * self.faults.latency_s if delay_s is None else delay_s
        self.loop.call_later(wait_s, then)

    def commit_s(self) -> float | None:
        """How long a commit takes; None: as long as anything."""
        slow = self.faults.slow
        return SLOW_S * self._slow.random() if slow and self._slow.random() < slow else None

    # --- writing ---

    def append(
        self,
        topic: UserTopic,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: RecordHeaders,
        transaction: Transaction | None = None,
        row: tuple[int, int, int] | None = None,
    ) -> UserRecord:
        """Without a transaction it is there at once."""
        whose = transaction if transaction is not None else Transaction(COMMITTED)
        if partition < 0:
            partition = self.partition_for(topic, key)
        held = topic.partitions[partition]
        now_ms, epoch = self.loop.now_ms(), len(held.cuts)
        record = UserRecord(held.next, now_ms, key, value, headers, whose, row, epoch=epoch)
        held.records.append(record)
        held.next += 1
        whose.touched.add((topic.name, partition))
        if transaction is None:
            self.tell()
        return record

    def partition_for(self, topic: UserTopic, key: bytes | None) -> int:
        count = len(topic.partitions)
        return self.random.randrange(count) if key is None else zlib.crc32(key) % count

    def finish(self, transaction: Transaction, state: int) -> None:
        """Commit or abort: a marker takes an offset of each partition."""
        if transaction.state != OPEN:
            return
        transaction.state = state
        for name, partition in sorted(transaction.touched):
            topic = self.topics.get(name)
            if topic is not None and partition < len(topic.partitions):
                topic.partitions[partition].next += 1
        self.tell()

    def begin(self, transactional_id: str) -> Transaction:
        transaction = self.opened[transactional_id] = Transaction()

        def time_out() -> None:
            self.finish(transaction, ABORTED)

        self.later(time_out, TRANSACTION_TIMEOUT_S)
        return transaction

    def fence(self, transactional_id: str) -> int:
        """Who wrote under this id before can no more; what it had open is aborted."""
        epoch = self.epochs.get(transactional_id, 0) + 1
        self.epochs[transactional_id] = epoch
        left = self.opened.pop(transactional_id, None)
        if left is not None:
            self.finish(left, ABORTED)
        return epoch

    # --- what brokers do by themselves ---

    def cut(self, topic: UserTopic, count: int) -> None:
        """A leader that lacked the last offsets was elected: what comes now takes their places."""
        for held in topic.partitions:
            end = max(held.start, held.next - count)
            held.records = [record for record in held.records if record.offset < end]
            held.next = end
            held.cuts.append(end)
        self.tell()

    def add_partition(self, topic: UserTopic) -> None:
        """Records of a key may come to another one from now on."""
        topic.partitions.append(UserPartition())
        self.tell()

    def compact(self, topic: UserTopic) -> None:
        """Only the latest record of each key stays, below the end."""
        for held in topic.partitions:
            seen: set[bytes] = set()
            for record in reversed(held.records):
                if record.transaction.state != COMMITTED or record.key is None:
                    continue
                if record.key in seen:
                    record.is_gone = True
                seen.add(record.key)

    def retain(self, topic: UserTopic, count: int) -> None:
        """Only the last few offsets stay."""
        for held in topic.partitions:
            held.start = max(held.start, min(held.next - count, held.stable()))
            for record in held.records:
                if record.offset < held.start:
                    record.is_gone = True


class UserReading:
    """The `TopicReading` port: one place that is read by a process. `answering` are the brokers
    that it reaches now."""

    def __init__(
        self,
        broker: UserBroker,
        answering: Callable[[], UserBroker],
        place: ReadPlace,
        offset: int,
        leader_epoch: int,
        lives: Callable[[], bool],
        on_batch: OnBatch,
        on_problem: OnProblem,
    ) -> None:
        self._broker = broker
        self._answering = answering
        self._place = place
        self._offset = offset
        self._epoch = leader_epoch
        self._lives = lives
        self._on_batch = on_batch
        self._on_problem = on_problem
        self._is_paused = self._is_closed = self._is_asked = self._is_stuck = False
        self._seeks = 0
        broker.listen(self._ask)
        self._ask()

    def pause(self) -> None:
        self._is_paused = True

    def resume(self) -> None:
        self._is_paused = False
        self._ask()

    def seek(self, offset: int, leader_epoch: int) -> None:
        self._offset, self._epoch, self._is_stuck = offset, leader_epoch, False
        self._seeks += 1
        self._ask()

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._broker.forget(self._ask)

    def _ask(self) -> None:
        if not (self._is_asked or self._is_paused or self._is_closed or self._is_stuck):
            self._is_asked = True
            self._broker.later(self._poll)

    def _poll(self) -> None:
        self._is_asked = False
        if not self._lives():
            self.close()
            return
        if self._is_paused or self._is_closed or self._is_stuck:
            return
        broker = self._broker
        if broker.is_away():
            self._on_problem(ReadProblem(ReadTrouble.NO_ANSWER, "away"))
            broker.later(self._ask, 0.2)
            return
        topic = self._answering().topics.get(self._place.topic)
        if topic is None or topic.id != self._place.topic_id:
            self._stick(ReadProblem(ReadTrouble.TOPIC_GONE, "another topic"))
            return
        held = topic.partitions[self._place.partition]
        if not held.start <= self._offset <= held.end_for(self._epoch):
            low, high = held.start, held.next
            self._stick(ReadProblem(ReadTrouble.OUT_OF_RANGE, "out of range", low, high))
            return
        upto = min(held.stable(), self._offset + broker.random.randrange(1, BATCH_MAX))
        if upto > self._offset:
            first, self._offset = self._offset, upto
            read = [r.epoch for r in held.records if first <= r.offset < upto]
            self._epoch = max([held.epoch_at(upto - 1), *read])
            self._ask()
            self._on_batch(ReadBatch(first, upto, self._epoch, _seen(held, first, upto)))

    def _stick(self, problem: ReadProblem) -> None:
        self._is_stuck = True
        self._on_problem(problem)


def _seen(held: UserPartition, first: int, upto: int) -> tuple[InRecord, ...]:
    return tuple(
        InRecord(r.offset, r.timestamp_ms, r.key, r.value, r.headers)
        for r in held.committed()
        if first <= r.offset < upto and not r.is_gone
    )
