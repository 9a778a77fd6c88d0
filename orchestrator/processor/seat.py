"""A partition's seat in this process: its state, what waits to be appended, and who waits.

The states are types (`seat_states.py`), and only the methods here change them. Only a leading seat
appends. An append that the log has not answered may outlive its term: `unanswered` tells.
"""

import asyncio
import logging
from functools import partial

from orchestrator.log.port import AppendError, LogMessage
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.records import AnyRecord
from orchestrator.processor.in_flight import InFlightAppend
from orchestrator.processor.pack import pack_records
from orchestrator.processor.partition import Partition
from orchestrator.processor.progress import Progress
from orchestrator.processor.proposals import Proposal
from orchestrator.processor.seat_host import SeatHost
from orchestrator.processor.seat_states import (
    Following,
    Leading,
    Opened,
    Restoring,
    Stopped,
)
from orchestrator.processor.seat_view import SeatView
from orchestrator.processor.set_aside import without_too_large
from orchestrator.processor.state_limit import Yield
from orchestrator.processor.term import Term
from orchestrator.processor.unknown_fates import UnknownFates
from orchestrator.processor.waiters import Results, Waiter
from orchestrator.runtime.backoff import backoff_s
from orchestrator.store.port import DurableStore, StoreError

logger = logging.getLogger("perdure.processor")

REFUSED_FIRST_S, REFUSED_MAX_S = 0.04, 1.0  # pauses after an append the log refused
ANSWERED_AT_ONCE_MAX = 64  # clients answered by one slice
NOT_SERVED = "the partition is not served here"


class Seat(SeatView):
    """One partition as this process serves it."""

    def __init__(self, number: int, host: SeatHost, message_bytes_max: int) -> None:
        super().__init__(number, host.now_s())
        self.results = Results(partial(host.call_later, 0.0))
        self.changed = asyncio.Event()  # the term is over, an append was answered, or revoked
        self.record_count = 0  # applied here, for the upkeep
        self.byte_count = 0
        self._unknown_fates = UnknownFates()
        self._host = host
        self._wake = host.wake
        self._refusals = 0  # in a row
        self._message_bytes_max = message_bytes_max

    # --- proposals ---

    def propose(
        self, record: AnyRecord, waiter: Waiter | None = None, more: Yield | None = None
    ) -> None:
        """Append with the next turn; `more` is what applying it takes beside what is in it."""
        state = self.state
        if type(state) is Leading:
            self.pending.add(record, waiter, more)
            if state.in_flight is None and not state.pauses:
                self._wake()
        elif self.is_served:
            self.pending.add(record, waiter, more)
        elif waiter is not None:
            waiter.failed(self.stopped or NOT_SERVED, False)

    def start_append(self, now_s: float, work_max: int, bytes_max: int) -> list[bytes]:
        """Take proposals as messages, which are in flight from now on: at least one record,
        more only within `work_max` and `bytes_max` of bodies. [] if no message can hold them."""
        leading = self.state
        assert type(leading) is Leading and leading.in_flight is None and not leading.pauses
        proposals, size_bytes = self.pending.take(work_max, bytes_max)
        messages, parts = pack_records([proposal.record for proposal in proposals], size_bytes)
        message_bytes_max = self._message_bytes_max
        if max(map(len, messages)) > message_bytes_max:
            drop_attempt = leading.term.drop_attempt
            fitting = without_too_large(messages, parts, proposals, message_bytes_max, drop_attempt)
            self.pending.put_back(fitting)
            return self.start_append(now_s, work_max, bytes_max) if self.pending.waiting else []
        leading.in_flight = InFlightAppend(messages, parts, proposals, now_s)
        self._is_unanswered = True
        return messages

    def refuse_if_stalled(self, now_s: float, age_s: float) -> None:
        """If the append in flight is older than `age_s`: refuse what waits behind it. It was not
        handed to the log, so clients may retry."""
        append = self.in_flight
        if append is not None and now_s - append.at_s >= age_s:
            self._refuse(self.pending.take_all(), "the log is slow to append to the partition")

    def _refuse(self, proposals: list[Proposal], reason: str) -> None:
        """These proposals were not handed to the log: fail those of clients, keep those of the
        engine."""
        self.pending.put_back([p for p in proposals if not p.is_of_client])
        waiters = [p.waiter for p in proposals if p.is_of_client and p.waiter is not None]
        self._host.fail_waiters(waiters, reason, False)

    def fail_pending(self, reason: str) -> None:
        """Fail everything that waits: none of it was handed to the log, so clients may retry."""
        gone = self.pending.take_all()
        self._host.fail_waiters([p.waiter for p in gone if p.waiter is not None], reason, False)

    # --- what became of an append ---

    def append_answered(self, first: int, error: AppendError | None) -> None:
        """The log has answered for the last append."""
        self._is_unanswered = False
        leading = self.state
        append = leading.in_flight
        if append is None or leading.partition is None:  # it stepped down meanwhile
            self.changed.set()
        elif error is None:
            self._refusals = 0
            append.first = first
            if first == leading.partition.next_offset:
                self.apply_append()
            else:
                self._host.catch_up(self.number)
        elif error.refused:
            self._append_later(error)
        else:
            self.step_down(f"the fate of an append is not known: {error.reason}")
        if self.in_flight is None and self.is_behind:
            self._host.catch_up(self.number)

    def apply_append(self) -> None:
        """Apply the acknowledged append as the objects it was made of, then act."""
        leading = self.state
        assert type(leading) is Leading and leading.in_flight is not None
        append, partition = leading.in_flight, leading.partition
        actions: list[AnyAction] = []
        answers: list[Answer] = []
        offset = append.first
        try:
            for message, part in zip(append.messages, append.parts, strict=True):
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
        leading.in_flight = None
        try:
            leading.term.settle(append.parts)
            self._unknown_fates.answer_known(append, answers, partition.state, self.results)
        except StoreError as error:
            self.lose_store(error)
            return
        if self._still_leads():
            self._act(actions)

    def _still_leads(self) -> bool:
        leading = self.state
        if type(leading) is not Leading:
            return False
        if leading.partition.state.partition_row.epoch != leading.term.epoch:
            self.step_down("another leader was accepted")
            return False
        return True

    def _act(self, actions: list[AnyAction]) -> None:
        term = self.state.term
        assert term is not None
        try:
            term.perform(actions)
        except Exception as error:  # noqa: BLE001 the next term recovers the actions that were lost
            self.fail_term(error)

    def fail_term(self, error: Exception) -> None:
        """Something that a leader does has failed; the next term does it."""
        if isinstance(error, StoreError):
            self.lose_store(error)
        else:
            logger.error("PD0302 an action of partition %d failed", self.number, exc_info=error)
            self.step_down("an action failed")

    def _append_later(self, error: AppendError) -> None:
        """Nothing was appended: clients are refused, the engine's own records are tried again."""
        leading = self.state
        assert type(leading) is Leading and leading.in_flight is not None
        append, leading.in_flight = leading.in_flight, None
        delay_s = backoff_s(REFUSED_FIRST_S, REFUSED_MAX_S, self._refusals)
        self._refusals += 1
        leading.pauses += 1
        self._refuse(append.proposals, error.reason)
        self._host.call_later(delay_s, partial(self._append_again, leading))

    def rest(self, pause_s: float) -> None:
        """Append nothing for a while; what waits then holds back who proposes it."""
        leading = self.state
        if type(leading) is Leading:
            leading.pauses += 1
            self._host.call_later(pause_s, partial(self._append_again, leading))

    def _append_again(self, leading: Leading) -> None:
        leading.pauses -= 1
        self._wake()

    # --- from restoring to leading ---

    def restoring(self, progress: Progress) -> None:
        """A store is being looked for and filled, as far as `progress` has it."""
        state = self.state
        assert type(state) is Restoring
        state.progress = progress

    def restored(self, partition: Partition, store: DurableStore) -> None:
        """A store that fits the log is open, and everything up to the log's end is applied."""
        state = self.state
        if type(state) is Stopped:  # stopped meanwhile: it keeps its store open, as after a term
            state.opened = Opened(partition, store)
            return
        assert type(state) is Restoring
        self.state = Following(Opened(partition, store), state.leaderless_since_s)
        self._host.store_restored()

    def begin(self, term: Term) -> None:
        """Lead from now on; what waited for a leader goes out."""
        state = self.state
        assert type(state) is Following
        self.state = Leading(state.opened, term)
        term.begin()
        if self.pending.waiting:
            self._wake()

    def resolve(self) -> bool:
        """The log has been read to its end: answer some of the waiters whose records had an
        unknown fate. True if there are more. Raises StoreError; the others are answered after
        the restore."""
        if self.partition is None:
            return False
        return self._unknown_fates.answer_some(
            self.partition.state, self.results, ANSWERED_AT_ONCE_MAX
        )

    def apply_read(self, message: LogMessage, records: list[AnyRecord]) -> None:
        """Apply a message that this seat did not append, or does not remember."""
        assert self.partition is not None
        actions: list[AnyAction] = []
        self.partition.apply_message(message.offset, message.value, records, actions)
        self.record_count += len(records)
        self.byte_count += len(message.value)
        self._host.watch()
        if self._still_leads():
            self._act(actions)

    # --- what the tail of the log shows ---

    def note_end(self, heard_to: int) -> bool:
        """The log has messages up to this offset; True if some of other writers are not applied
        yet."""
        leading = self.state
        return type(leading) is Leading and leading.note_end(heard_to)

    def start_reading(self) -> bool:
        """Stop appending while records of other writers are read; False if that is under way
        already."""
        leading = self.state
        return type(leading) is Leading and leading.start_reading()

    def end_reading(self) -> None:
        leading = self.state
        assert type(leading) is Leading
        leading.end_reading()
        self._wake()

    # --- the end of things ---

    def step_down(self, reason: str, level: int = logging.WARNING) -> None:
        """Stop acting as leader; the seat reads on and announces anew while it is assigned."""
        leading = self.state
        if type(leading) is not Leading:
            return
        logger.log(level, "partition %d steps down: %s", self.number, reason)
        self.state = Following(leading.opened, self._host.now_s())
        leading.term.end()
        self._host.stepped_down()
        self.pending.drop_of_term()
        if leading.in_flight is not None:
            next_offset = leading.partition.next_offset
            self._unknown_fates.add_append(leading.in_flight, next_offset)
        self.changed.set()
        self._host.watch()

    def lose_store(self, error: StoreError) -> None:
        """The store failed: give up its rows, they come back from a copy and the log."""
        state, failure = self.state, str(error)
        is_known = type(state) is Restoring and state.failure == failure
        level = logging.DEBUG if is_known else logging.WARNING  # it is tried again for ever
        logger.log(level, "PD0303 the store of partition %d failed: %s", self.number, failure)
        self.step_down("its store failed")
        self.close_store()
        if type(self.state) is Restoring:
            self.state.failure = failure
        self.changed.set()

    def close_store(self) -> None:
        """Close the store. Only for a seat that does not lead."""
        state = self.state
        assert type(state) is not Leading
        opened = state.opened
        if type(state) is Stopped:
            state.opened = None
        elif type(state) is Following:
            self.state = Restoring(state.leaderless_since_s)
        if opened is not None:
            try:
                opened.store.close()
            except StoreError as error:
                logger.warning("partition %d: %s", self.number, error)

    def stop(self, reason: str) -> None:
        """Serve no more, keep the data: an operator must look."""
        self.step_down(reason)
        self.state = Stopped(reason, self.state.opened)
        self._fail_all(reason)
        self.changed.set()

    def revoke(self) -> None:
        """Another process has the partition now."""
        self._is_assigned = False
        self.step_down("it is not assigned to this node any more", logging.INFO)
        self._fail_all("the partition is not served here any more")
        self.changed.set()

    def _fail_all(self, reason: str) -> None:
        self.fail_pending(reason)
        self._host.fail_waiters(self._unknown_fates.take_all(), reason, True)
        self._host.fail_waiters(self.results.take_all(), reason, True)
