"""A partition's seat in this process: what waits to be appended, what is in flight, who waits.

States, in order: no partition (being restored) · following (applied to the end, not leading) ·
leading (a `term`) · stopped (with its reason, its data kept). Only a leading seat appends.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol

from orchestrator.log.port import AppendError, Message
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.records import (
    AnyRecord,
    ChoreStep,
    Journal,
    OutboxAdvanced,
    PurgeExpired,
    RaiseLevel,
    TimersFired,
)
from orchestrator.processor.flight import Flight
from orchestrator.processor.pack import pack
from orchestrator.processor.partition import Partition
from orchestrator.processor.term import Term
from orchestrator.processor.too_large import paused_instead
from orchestrator.processor.waiters import InvokeWaiter, Results, TransferWaiter, Waiter
from orchestrator.store.port import DurableStore, StoreError

logger = logging.getLogger(__name__)

OF_A_TERM = (Journal, TimersFired, PurgeExpired, ChoreStep, OutboxAdvanced, RaiseLevel)
"""Records that carry their epoch: under another one they would only be dropped."""

STALLED = "the log is slow to take what goes to the partition"
NEVER = 1 << 62  # an offset that no record has


class Owner(Protocol):
    """The loop that the seats belong to."""

    def wake(self) -> None:
        """Something waits to be appended."""
        ...

    def call_later(self, delay_s: float, callback: Callable[[], object]) -> object: ...

    def now_s(self) -> float: ...

    def catch_up(self, seat: "Seat") -> None:
        """Read what others wrote, then go on with the seat's flight."""
        ...


class Seat:
    """One partition as this process serves it."""

    def __init__(self, number: int, owner: Owner, message_bytes_max: int) -> None:
        self.number = number
        self.partition: Partition | None = None
        self.store: DurableStore | None = None
        self.term: Term | None = None
        self.stopped = ""  # why it serves no more
        self.assigned = True
        self.results = Results()
        self.pending: list[AnyRecord] = []
        self.waits: list[Waiter | None] = []
        # Their records' fate is unknown; they lie at the offset or after it, if anywhere.
        self.unsure: list[tuple[Waiter, int]] = []
        self.flight: Flight | None = None
        self.flight_first = -1  # acknowledged, but others' messages come before it
        self.is_awaited = False  # the log has not answered for the last append
        self.changed = asyncio.Event()  # the term is over, or the assignment
        self.down_since_s = owner.now_s()
        self.is_blocked = False  # refused a moment ago
        self.is_reading = False  # what others wrote, while leading
        self.record_count = 0  # applied here, for the upkeep
        self.byte_count = 0
        self._owner = owner
        self.wake = owner.wake
        self._refusals = 0
        self._message_bytes_max = message_bytes_max

    # --- proposals ---

    def propose(self, record: AnyRecord, waiter: Waiter | None = None) -> None:
        """Append with the next turn."""
        if self.stopped or not self.assigned:
            if waiter is not None:
                waiter.failed(self.stopped or "the partition is not served here", False)
            return
        self.pending.append(record)
        self.waits.append(waiter)
        self.wake()

    def begin(self, term: Term) -> None:
        """Lead from now on; what waited for a leader goes out."""
        assert self.partition is not None
        self.term = term
        self.results.look(self.partition.state)  # some may have come while it announced itself
        term.begin()
        if self.pending:
            self.wake()

    def can_append(self) -> bool:
        return (
            self.term is not None
            and self.flight is None
            and bool(self.pending)
            and not self.is_reading
            and not self.is_blocked
        )

    def take_off(self, now_s: float) -> list[bytes]:
        """Everything that waits, as messages; it is in flight from now on."""
        records, waits = self.pending, self.waits
        self.pending, self.waits = [], []
        messages, parts = pack(records)
        if any(len(message) > self._message_bytes_max for message in messages):
            self._set_aside(messages, parts, waits)
            return self.take_off(now_s) if self.pending else []
        self.flight = Flight(messages, parts, waits, now_s)
        self.flight_first = -1
        self.is_awaited = True
        return messages

    def _set_aside(
        self,
        messages: list[bytes],
        parts: list[list[AnyRecord]],
        waits: list[Waiter | None],
    ) -> None:
        """Keep for the next flight all but what no message of the log can hold."""
        at = 0
        for message, part in zip(messages, parts, strict=True):
            if len(message) <= self._message_bytes_max:
                self.pending += part
                self.waits += waits[at : at + len(part)]
            else:
                self._refuse_one(part[0], waits[at])
            at += len(part)

    def _refuse_one(self, record: AnyRecord, waiter: Waiter | None) -> None:
        logger.error("PD0306 a record of partition %d is too large for the log", self.number)
        if waiter is not None:
            waiter.failed("the record is too large for the log", False)
        elif isinstance(record, Journal) and self.term is not None:
            self.pending.append(paused_instead(record))
            self.waits.append(None)
            self.term.drop_attempt(record)

    # --- what became of a flight ---

    def settle(self, first: int, error: AppendError | None) -> None:
        """The log has answered for the last append."""
        self.is_awaited = False
        if self.flight is None:  # it stepped down meanwhile
            self.changed.set()
        elif error is None:
            self._refusals = 0
            self.flight_first = first
            if self.partition is not None and first == self.partition.next_offset:
                self.land()
            else:
                self._owner.catch_up(self)
        elif error.refused:
            self._retry_refused(error)
        else:
            self.step_down(f"the fate of an append is not known: {error.reason}")

    def land(self) -> None:
        """Apply the acknowledged flight as the objects it was made of, then act."""
        flight, partition = self.flight, self.partition
        assert flight is not None and partition is not None
        actions: list[AnyAction] = []
        answers: list[Answer] = []
        offset = self.flight_first
        try:
            for message, part in zip(flight.messages, flight.parts, strict=True):
                answers += partition.apply_message(offset, message, part, actions)
                offset += 1
                self.record_count += len(part)
                self.byte_count += len(message)
        except StoreError as error:
            self.lose_store(error)
            return
        except Exception as error:  # the supervisor of the pure ring
            logger.exception("PD0301 partition %d cannot apply offset %d", self.number, offset)
            self.stop(f"PD0301 offset {offset} cannot be applied: {error!r}")
            return
        self.flight = None
        try:
            self._tell(flight, answers)
        except StoreError as error:
            self.lose_store(error)
            return
        if self._still_leads():
            self._act(actions)

    def _tell(self, flight: Flight, answers: list[Answer]) -> None:
        """The records have been applied: tell the term, and who waits for one of them.

        If the store fails under that, whoever has not been told is when it has been restored.
        """
        partition = self.partition
        assert partition is not None
        state, results, waits = partition.state, self.results, flight.waits
        number = 0
        try:
            if self.term is not None:
                self.term.settle(flight.parts)
            for number, answer in enumerate(answers):
                waiter = waits[number]
                if waiter is not None:
                    waiter.applied(state, results, answer)
        except StoreError:
            for waiter, answer in zip(waits[number:], answers[number:], strict=True):
                if waiter is not None:
                    since = self.flight_first if answer is Answer.DONE else NEVER
                    self.unsure.append((waiter, since))
            raise

    def _still_leads(self) -> bool:
        term, partition = self.term, self.partition
        if term is None or partition is None:
            return False
        if partition.state.partition_row.epoch != term.epoch:
            self.step_down("another leader was accepted")
            return False
        return True

    def _act(self, actions: list[AnyAction]) -> None:
        assert self.term is not None
        try:
            self.term.perform(actions)
        except StoreError as error:
            self.lose_store(error)
        except Exception:  # what was lost is derived again by the next term
            logger.exception("PD0302 an action of partition %d failed", self.number)
            self.step_down("an action failed")

    def _retry_refused(self, error: AppendError) -> None:
        """Nothing was appended: clients are told, what the engine owes is tried again."""
        flight = self.flight
        assert flight is not None
        self.flight = None
        self._refusals += 1
        delay_s = min(1.0, 0.02 * 2 ** min(self._refusals, 6))
        self.is_blocked = True
        kept, kept_waits = _refuse_clients(flight.records(), flight.waits, error.reason)
        self.pending = kept + self.pending
        self.waits = kept_waits + self.waits
        self._owner.call_later(delay_s, self._unblock)

    def _unblock(self) -> None:
        self.is_blocked = False
        self.wake()

    def refuse_if_stalled(self, now_s: float, age_s: float) -> None:
        """Whoever came while a flight does not land was not handed over, and may come back."""
        if self.flight is not None and now_s - self.flight.at_s >= age_s:
            records, waits = self.pending, self.waits
            self.pending, self.waits = [], []
            kept, kept_waits = _refuse_clients(records, waits, STALLED)
            self.pending = kept + self.pending
            self.waits = kept_waits + self.waits

    # --- messages read back ---

    def apply_read(self, message: Message, records: list[AnyRecord]) -> None:
        """Apply a message that this seat did not append, or does not remember."""
        assert self.partition is not None
        actions: list[AnyAction] = []
        self.partition.apply_message(message.offset, message.value, records, actions)
        self.record_count += len(records)
        self.byte_count += len(message.value)
        if self.term is not None and self._still_leads():
            self._act(actions)

    # --- the end of things ---

    def step_down(self, reason: str, level: int = logging.WARNING) -> None:
        """Stop acting as leader; the seat reads on and announces anew while it is assigned."""
        if self.term is None:
            return
        logger.log(level, "partition %d steps down: %s", self.number, reason)
        self.term.end()
        self.term = None
        self.down_since_s = self._owner.now_s()
        self._drop_proposals()
        self._doubt_flight()
        self.changed.set()

    def _drop_proposals(self) -> None:
        left = [
            (record, waiter)
            for record, waiter in zip(self.pending, self.waits, strict=True)
            if not isinstance(record, OF_A_TERM)
        ]
        self.pending = [record for record, _ in left]
        self.waits = [waiter for _, waiter in left]

    def _doubt_flight(self) -> None:
        flight, first = self.flight, self.flight_first
        self.flight, self.flight_first = None, -1
        if flight is None:
            return
        assert self.partition is not None
        since = first if first >= 0 else self.partition.next_offset
        seen: set[bytes] = set()
        for waiter in flight.waits:
            if isinstance(waiter, InvokeWaiter):
                # Only the first of an id can have created it.
                self.unsure.append((waiter, NEVER if waiter.id in seen else since))
                seen.add(waiter.id)
            elif waiter is not None:
                self.unsure.append((waiter, since))

    def resolve(self) -> None:
        """The log has been read to its end: tell those whose records' fate was unknown."""
        assert self.partition is not None
        state = self.partition.state
        told = 0
        try:
            for waiter, since in self.unsure:
                waiter.look(state, self.results, since)
                told += 1
        finally:  # the others when the store has been restored
            del self.unsure[:told]
        self.results.look(state)

    def lose_store(self, error: StoreError) -> None:
        """The store failed: give up its rows, they come back from a copy and the log."""
        logger.error("PD0303 the store of partition %d failed: %s", self.number, error)
        self.step_down("its store failed")
        self.close_store()
        self.changed.set()

    def close_store(self) -> None:
        store, self.store, self.partition = self.store, None, None
        if store is not None:
            try:
                store.close()
            except StoreError as error:
                logger.warning("partition %d: %s", self.number, error)

    def stop(self, reason: str) -> None:
        """Serve no more, keep the data: an operator must look."""
        self.stopped = reason
        self.step_down(reason)
        self._fail_all(reason)
        self.changed.set()

    def revoke(self) -> None:
        """Another process has the partition now."""
        self.assigned = False
        self.step_down("it is not assigned to this node any more", logging.INFO)
        self._fail_all("the partition is not served here any more")
        self.changed.set()

    def _fail_all(self, reason: str) -> None:
        self.fail_pending(reason)
        unsure, self.unsure = self.unsure, []
        for waiter, _ in unsure:
            waiter.failed(reason, True)
        self.results.fail(reason)

    def fail_pending(self, reason: str) -> None:
        """Certainly not in the log: clients may go elsewhere or come back."""
        waits = self.waits
        self.pending, self.waits = [], []
        for waiter in waits:
            if waiter is not None:
                waiter.failed(reason, False)


def _refuse_clients(
    records: list[AnyRecord], waits: list[Waiter | None], reason: str
) -> tuple[list[AnyRecord], list[Waiter | None]]:
    """Tell clients that theirs is not in the log; what is left is owed by the engine itself."""
    kept: list[AnyRecord] = []
    kept_waits: list[Waiter | None] = []
    for record, waiter in zip(records, waits, strict=True):
        if waiter is None or isinstance(waiter, TransferWaiter):
            kept.append(record)
            kept_waits.append(waiter)
        else:
            waiter.failed(reason, False)
    return kept, kept_waits
