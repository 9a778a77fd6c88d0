"""The processor: all partitions of a process behind one way in.

An Engine to the faces. Records go to the seat of their partition, actions come back through its
term, clients are told what became of theirs. It never assumes that a partition is led here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from orchestrator.invoker.port import InvokerPort
from orchestrator.log.port import Log
from orchestrator.model.ids import (
    INVOCATION_ID_BYTES,
    key_partition_key,
    partition_of,
    partition_of_key,
    placed_key,
)
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import PatchState
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.processor import reads
from orchestrator.processor.door import Door
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.port import OnReply, Operation, Reply, Unavailable
from orchestrator.processor.seat import Seat
from orchestrator.processor.seats import Seats
from orchestrator.processor.waiters import InvokeWaiter, OnAnswer, OperationWaiter, ResultWaiter
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.runtime.telemetry import Counters
from orchestrator.store.port import StoreError, StoreHome
from orchestrator.tables.state import State

NOT_LED = "the partition is not led by this node"

Rows = Iterator[tuple[bytes, bytes]]


class Processor:
    """The `Engine` of a process."""

    def __init__(
        self,
        log: Log,
        open_home: Callable[[int], StoreHome],
        invoker: InvokerPort,
        clock: Clock,
        entropy: Entropy,
        scheduler: Scheduler,
        options: ProcessorOptions,
        counters: Counters | None = None,
    ) -> None:
        self.partition_count = log.partition_count
        self.counters = counters if counters is not None else Counters()
        self._clock = clock
        self._entropy = entropy
        self._scheduler = scheduler
        self._door = Door(log, scheduler, options)
        self._seats = Seats(
            log, open_home, invoker, clock, entropy, scheduler, options, self.counters
        )
        self._next_seat = 0

    # --- life ---

    def start(self) -> None:
        """Ask the log for partitions to lead."""
        self._seats.start()

    def shut_door(self, reason: str) -> None:
        """Refuse new work; what is under way goes on."""
        self._door.shut_reason = reason

    async def close(self, wait_s: float = 5.0) -> None:
        """Let what is in flight land, spill, and let go of the stores."""
        self.shut_door("the server is shutting down")
        await self._seats.close(wait_s)

    def leading(self) -> list[int]:
        """Partitions led here."""
        return [seat.number for seat in self._seats.all() if seat.term is not None]

    def stopped(self) -> dict[int, str]:
        """Partitions that serve no more, with the reason."""
        return {seat.number: seat.stopped for seat in self._seats.all() if seat.stopped}

    # --- Engine ---

    def new_id(self) -> bytes:
        drawn = self._entropy.random_bytes(INVOCATION_ID_BYTES)
        low = int.from_bytes(drawn[:8], "big")
        number = self._next_led(low)
        return placed_key(number, self.partition_count, low) + drawn[8:]

    def _next_led(self, otherwise: int) -> int:
        """The partitions led here take turns."""
        seats = self._seats.all()
        for _ in seats:
            self._next_seat = (self._next_seat + 1) % len(seats)
            if seats[self._next_seat].term is not None:
                return seats[self._next_seat].number
        return otherwise % self.partition_count

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        seat = self._seats.get(partition_of(invoke.id, self.partition_count))
        reason = self._door.reason(seat)
        waiter = InvokeWaiter(invoke, wait, on_reply)
        if reason or seat is None:
            self._later(waiter, Unavailable(reason, False))
        else:
            seat.propose(invoke, waiter)
        return waiter.forget

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]:
        waiter = ResultWaiter(invocation_id, on_reply)
        seat = self._seats.get(partition_of(invocation_id, self.partition_count))
        live = None
        reply: Reply = Unavailable(NOT_LED, False)
        try:
            state = _state_of(seat)
            if state is not None:
                live = state.invocations.get(invocation_id)
                reply = reads.output_of(state, invocation_id, self._clock.now_ms())
        except StoreError as error:
            reply = _given_up(seat, error)
        if live is not None and seat is not None:
            waiter.incarnation = live.incarnation
            seat.results.add(waiter)
        else:
            self._later(waiter, reply)
        return waiter.forget

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None:
        seat = self._seats.get(partition_of(invocation_id, self.partition_count))
        reply: Reply = Unavailable(NOT_LED, False)
        try:
            state = _state_of(seat)
            if state is not None:
                reply = reads.output_of(state, invocation_id, self._clock.now_ms())
        except StoreError as error:
            reply = _given_up(seat, error)
        self._later(ResultWaiter(invocation_id, on_reply), reply)

    def operate(self, operation: Operation, on_answer: OnAnswer) -> None:
        if isinstance(operation, PatchState):
            number = partition_of_key(key_partition_key(operation.key), self.partition_count)
        else:
            number = partition_of(operation.target_id, self.partition_count)
        seat = self._seats.get(number)
        reason = self._door.reason(seat)
        if reason or seat is None:
            self._scheduler.call_soon(partial(on_answer, Unavailable(reason, False)))
        else:
            seat.propose(operation, OperationWaiter(on_answer))

    def find(self, invocation_id: bytes) -> InvocationRow | CompletedRow | None:
        with self._reading(invocation_id) as state:
            return None if state is None else reads.find_row(state, invocation_id)

    def journal(self, invocation_id: bytes) -> list[tuple[int, bytes]]:
        with self._reading(invocation_id) as state:
            return [] if state is None else reads.journal_of(state, invocation_id)

    def writable(self) -> str:
        """Of the log and of every partition served here: the first reason there is."""
        seats = self._seats.all()
        if not seats:
            return self._door.reason(None)
        return next((reason for seat in seats if (reason := self._door.reason(seat))), "")

    def export(self, prefix: bytes) -> Rows:
        scans = []
        for seat in self._seats.all():
            if seat.term is not None and seat.partition is not None:
                with _giving_up(seat):
                    scans.append((seat, reads.export_rows(seat.partition, prefix)))
        return _taken(scans)

    @contextmanager
    def _reading(self, invocation_id: bytes) -> Iterator[State | None]:
        seat = self._seats.get(partition_of(invocation_id, self.partition_count))
        with _giving_up(seat):
            yield _state_of(seat)

    def _later(self, waiter: ResultWaiter, reply: Reply) -> None:
        self._scheduler.call_soon(partial(waiter.reply, reply))


def _taken(scans: list[tuple[Seat, Rows]]) -> Rows:
    for seat, rows in scans:
        with _giving_up(seat):
            yield from rows


@contextmanager
def _giving_up(seat: Seat | None) -> Iterator[None]:
    """A store that fails is given up, its rows come back from a copy and the log; whoever asked
    is told to ask again."""
    try:
        yield
    except StoreError as error:
        _given_up(seat, error)
        raise


def _given_up(seat: Seat | None, error: StoreError) -> Reply:
    if seat is not None:
        seat.lose_store(error)
    return Unavailable("the store of the partition failed and is being restored", False)


def _state_of(seat: Seat | None) -> State | None:
    """The state to answer from: only a leader's is known to be the latest."""
    if seat is None or seat.term is None or seat.partition is None:
        return None
    return seat.partition.state
