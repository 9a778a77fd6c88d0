"""A partition as its leader in this process answers for it: the `PartitionEngine` of a seat.

Whether the seat leads is not asked here: the router does, before it asks.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from orchestrator.model.invoke import Invoke
from orchestrator.processor import reads
from orchestrator.processor.partition import Partition
from orchestrator.processor.port import (
    Found,
    JournalEntry,
    LetterOperation,
    OnAnswer,
    OnFound,
    OnReply,
    Operation,
    Reply,
    Unavailable,
    Unknown,
)
from orchestrator.processor.seat import Seat
from orchestrator.processor.streams import EndedStream, LocalStream, T
from orchestrator.processor.waiters import InvokeWaiter, OperationWaiter, ResultWaiter
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.store.port import StoreError
from orchestrator.tables.port import Pair

STORE_FAILED = "the store of the partition failed and is being restored"


class LocalPartition:
    """The seat's proposals and the reads of its state. `partition` is there while it leads."""

    __slots__ = ("_clock", "_scheduler", "seat")

    def __init__(self, seat: Seat, clock: Clock, scheduler: Scheduler) -> None:
        self.seat = seat
        self._clock = clock
        self._scheduler = scheduler

    # --- records ---

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        waiter = InvokeWaiter(invoke, wait, on_reply)
        self.seat.propose(invoke, waiter)
        return waiter.forget

    def operate(self, operation: Operation | LetterOperation, on_answer: OnAnswer) -> None:
        self.seat.propose(operation, OperationWaiter(on_answer))

    # --- reads ---

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]:
        waiter = ResultWaiter(invocation_id, on_reply)
        partition = self._partition()
        try:
            live = partition.state.invocations.get(invocation_id)
            reply = None if live is not None else self._output(partition, invocation_id)
        except StoreError as error:
            live, reply = None, self._store_failed(partition, error)
        if live is not None:
            waiter.incarnation = live.incarnation
            self.seat.results.add(waiter)
        elif reply is not None:
            self._scheduler.call_soon(partial(waiter.reply, reply))
        return waiter.forget

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None:
        partition = self._partition()
        try:
            reply = self._output(partition, invocation_id)
        except StoreError as error:
            reply = self._store_failed(partition, error)
        self._scheduler.call_soon(partial(on_reply, reply))

    def _output(self, partition: Partition, invocation_id: bytes) -> Reply:
        return reads.output_of(partition.state, invocation_id, self._clock.now_ms())

    def find(self, invocation_id: bytes, on_found: OnFound) -> None:
        partition = self._partition()
        try:
            found: Found = reads.find_row(partition.state, invocation_id) or Unknown()
        except StoreError as error:
            found = self._store_failed(partition, error)
        self._scheduler.call_soon(partial(on_found, found))

    def journal(
        self, invocation_id: bytes, incarnation: int
    ) -> LocalStream[JournalEntry] | EndedStream[JournalEntry]:
        state = self._partition().state
        return self._stream(lambda: reads.journal_of(state, invocation_id, incarnation))

    def export(
        self, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> LocalStream[Pair] | EndedStream[Pair]:
        partition = self._partition()

        def opened() -> Iterator[Pair]:
            partition.spill()
            return reads.export_rows(partition.state.store, kinds, starts)

        return self._stream(opened)

    def _stream(self, open_items: Callable[[], Iterator[T]]) -> LocalStream[T] | EndedStream[T]:
        partition = self._partition()
        try:
            items = open_items()
        except StoreError as error:
            return EndedStream(self._store_failed(partition, error), self._scheduler)
        return LocalStream(items, self._scheduler, partial(self._store_failed, partition))

    def _partition(self) -> Partition:
        partition = self.seat.partition
        assert partition is not None, "only a leader is asked"
        return partition

    def _store_failed(self, partition: Partition, error: StoreError) -> Unavailable:
        """The store failed under a read: the rows come back from a copy and the log, so the
        question may be asked again. A stream may outlive its store: then another store is open
        already."""
        if self.seat.partition is partition:
            self.seat.lose_store(error)
        return Unavailable(STORE_FAILED, False)
