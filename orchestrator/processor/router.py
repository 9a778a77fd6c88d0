"""Decides who is asked for a partition: the only place that knows which are led here.

Today that is its leader in this process or nobody. A partition led elsewhere becomes another
`PartitionEngine`, chosen here; nothing in front or behind changes.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import count

from msgspec.structs import force_setattr

from orchestrator.model.ids import (
    INVOCATION_ID_BYTES,
    key_partition_key,
    partition_of,
    partition_of_key,
    placed_key,
)
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import PatchState
from orchestrator.processor.admission import LACKS_STORE, SMALL_BYTES, Admission
from orchestrator.processor.bodies import body_bytes
from orchestrator.processor.local import LocalPartition
from orchestrator.processor.port import (
    JournalEntry,
    LetterOperation,
    OnAnswer,
    OnFound,
    OnReply,
    Operation,
    PartitionEngine,
    Stream,
    Unavailable,
)
from orchestrator.processor.seat import Seat
from orchestrator.processor.seats import Seats
from orchestrator.processor.streams import EndedStream
from orchestrator.processor.waiters import ResultWaiter
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.entropy import Entropy
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.tables.port import Pair

REQUEST_BYTES = 7  # of the first number: counting on from it never comes to 64 bits


class Router:
    """The `Engine` of a process."""

    def __init__(
        self,
        partition_count: int,
        seats: Seats,
        door: Admission,
        clock: Clock,
        entropy: Entropy,
        scheduler: Scheduler,
    ) -> None:
        self.partition_count = partition_count
        self._seats = seats
        self._door = door
        self._clock = clock
        self._entropy = entropy
        self._scheduler = scheduler
        self._next_seat = 0
        # Processes begin at numbers far from each other.
        first = int.from_bytes(entropy.random_bytes(REQUEST_BYTES), "big")
        self._requests = count(1 + first)
        self._locals: dict[int, LocalPartition] = {}

    # --- who is asked ---

    def _appender(self, number: int, size_bytes: int) -> PartitionEngine | Unavailable:
        """For a record with a body: a seat that is about to lead keeps it until it does."""
        seat, door = self._seats.get(number), self._door
        if seat is None:
            return Unavailable(door.shut_reason or door.not_led(), False)
        reason = door.reason(seat)
        if size_bytes > SMALL_BYTES and not reason:
            reason = door.body_reason(size_bytes)
        if reason:
            return Unavailable(door.shut_reason or reason, False)
        local = self._locals.get(number)
        return local if local is not None and local.seat is seat else self._local(seat)

    def _reader(self, number: int) -> PartitionEngine | Unavailable:
        """For a read: only a leader's state is known to be the latest."""
        seat = self._seats.get(number)
        if seat is None:
            return Unavailable(self._door.not_led(), False)
        reason = _why_unreadable(seat)
        if reason:
            return Unavailable(reason, False)
        return self._local(seat)

    def _local(self, seat: Seat) -> LocalPartition:
        local = self._locals.get(seat.number)
        if local is None or local.seat is not seat:  # a partition that comes back has another one
            local = LocalPartition(seat, self._clock, self._scheduler)
            self._locals[seat.number] = local
        return local

    def _reader_of(self, invocation_id: bytes) -> PartitionEngine | Unavailable:
        return self._reader(partition_of(invocation_id, self.partition_count))

    def unreadable(self) -> dict[int, str]:
        not_led = self._door.not_led()  # it asks the log
        seats = {number: self._seats.get(number) for number in range(self.partition_count)}
        reasons = {
            number: not_led if seat is None else _why_unreadable(seat)
            for number, seat in seats.items()
        }
        return {number: reason for number, reason in reasons.items() if reason}

    def writable(self) -> str:
        """Of the log and of every partition served here: the first reason there is."""
        seats = self._seats.all()
        if not seats:
            return self._door.not_led()
        reason = next((found for seat in seats if (found := self._door.reason(seat))), "")
        lacking = next((seat.number for seat in seats if seat.lacks_store), None)
        if lacking is not None:
            lack = LACKS_STORE.format(lacking)
            return lack if reason in ("", lack) else f"{reason}; {lack}"
        restored = [
            f"{seat.number} at {seat.progress.ratio:.0%}" for seat in seats if seat.progress
        ]
        if reason and restored:
            return f"{reason}; partitions being restored: {', '.join(restored)}"
        return reason

    def new_id(self) -> bytes:
        drawn = self._entropy.random_bytes(INVOCATION_ID_BYTES)
        low = int.from_bytes(drawn[:8], "big")
        number = self._next_led(low)
        return placed_key(number, self.partition_count, low) + drawn[8:]

    def _next_led(self, otherwise: int) -> int:
        """The partitions led here take turns."""
        seats = self._seats.all()
        count, at = len(seats), self._next_seat
        for _ in seats:
            at = (at + 1) % count
            if seats[at].state.term is not None:
                self._next_seat = at
                return seats[at].number
        return otherwise % self.partition_count

    # --- records ---

    def invoke(self, invoke: Invoke, wait: bool, on_reply: OnReply) -> Callable[[], None]:
        # The value of a send is in its request; headers are bounded by the ingress.
        size_bytes = len(invoke.body) if invoke.produce is None else body_bytes(invoke)
        asked = self._appender(partition_of(invoke.id, self.partition_count), size_bytes)
        if isinstance(asked, Unavailable):
            return self._refuse(invoke.id, on_reply, asked)
        if not invoke.request:  # else the same request was sent before
            force_setattr(invoke, "request", next(self._requests))
        return asked.invoke(invoke, wait, on_reply)

    def operate(self, operation: Operation, on_answer: OnAnswer) -> None:
        if isinstance(operation, PatchState):
            number = partition_of_key(key_partition_key(operation.key), self.partition_count)
        else:
            number = partition_of(operation.target_id, self.partition_count)
        asked = self._appender(number, body_bytes(operation))
        if isinstance(asked, Unavailable):
            self._scheduler.call_soon(partial(on_answer, asked))
        else:
            asked.operate(operation, on_answer)

    def operate_letter(
        self, partition: int, operation: LetterOperation, on_answer: OnAnswer
    ) -> None:
        asked = self._appender(partition, body_bytes(operation))
        if isinstance(asked, Unavailable):
            self._scheduler.call_soon(partial(on_answer, asked))
        else:
            asked.operate(operation, on_answer)

    # --- reads ---

    def attach(self, invocation_id: bytes, on_reply: OnReply) -> Callable[[], None]:
        asked = self._reader_of(invocation_id)
        if isinstance(asked, Unavailable):
            return self._refuse(invocation_id, on_reply, asked)
        return asked.attach(invocation_id, on_reply)

    def output(self, invocation_id: bytes, on_reply: OnReply) -> None:
        asked = self._reader_of(invocation_id)
        if isinstance(asked, Unavailable):
            self._scheduler.call_soon(partial(on_reply, asked))
        else:
            asked.output(invocation_id, on_reply)

    def find(self, invocation_id: bytes, on_found: OnFound) -> None:
        asked = self._reader_of(invocation_id)
        if isinstance(asked, Unavailable):
            self._scheduler.call_soon(partial(on_found, asked))
        else:
            asked.find(invocation_id, on_found)

    def journal(self, invocation_id: bytes, incarnation: int) -> Stream[JournalEntry]:
        asked = self._reader_of(invocation_id)
        if isinstance(asked, Unavailable):
            return EndedStream[JournalEntry](asked, self._scheduler)
        return asked.journal(invocation_id, incarnation)

    def export(
        self, partition: int, kinds: Sequence[bytes], starts: Sequence[bytes]
    ) -> Stream[Pair]:
        asked = self._reader(partition)
        if isinstance(asked, Unavailable):
            return EndedStream[Pair](asked, self._scheduler)
        return asked.export(kinds, starts)

    def _refuse(
        self, invocation_id: bytes, on_reply: OnReply, reason: Unavailable
    ) -> Callable[[], None]:
        waiter = ResultWaiter(invocation_id, on_reply)
        self._scheduler.call_soon(partial(waiter.reply, reason))
        return waiter.forget


def _why_unreadable(seat: Seat) -> str:
    if seat.stopped:
        return f"partition {seat.number} is stopped: {seat.stopped}"
    if seat.partition is None:
        if seat.lacks_store:
            return LACKS_STORE.format(seat.number)
        return f"partition {seat.number} is being restored"
    if seat.term is None:
        return f"partition {seat.number} has no leader yet"
    return ""
