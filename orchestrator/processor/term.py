"""One term of leadership of a partition: performs actions, and owns what only a leader has.

Whatever an action causes comes back as a record. A term that is over does nothing any more.
"""

import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from orchestrator.invoker.port import InvokerPort
from orchestrator.machine.recover import Recovery
from orchestrator.model.actions import (
    AckCommand,
    AnyAction,
    ArmRetry,
    ArmTimer,
    Complete,
    DoChore,
    Notify,
    ReadSource,
    SendOutbox,
    StartAttempt,
    StopAttempt,
)
from orchestrator.model.lanes import Lane, ToTopic
from orchestrator.model.records import (
    AnyRecord,
    ChoreStep,
    Journal,
    OutboxAdvanced,
    PurgeExpired,
    TimersFired,
)
from orchestrator.model.topic_records import PurgeDeadLetters
from orchestrator.outbox.port import Carrier, LaneView
from orchestrator.outbox.rows import OutboxRows
from orchestrator.outbox.sender import OutboxSender
from orchestrator.outbox.transfers import DeliverTransfer, TransferCarrier
from orchestrator.processor.chores import Chores
from orchestrator.processor.due import Due
from orchestrator.processor.expiry import ExpiryClock
from orchestrator.processor.journal_limit import JournalLimits
from orchestrator.processor.late_results import LateResults
from orchestrator.processor.letters import LetterPurge
from orchestrator.processor.slices import Slice, Slices
from orchestrator.processor.source import AttemptSource
from orchestrator.processor.state_limit import Yield
from orchestrator.processor.topics import TermTopics, TopicsAround
from orchestrator.processor.waiters import Results
from orchestrator.store.port import StoreError
from orchestrator.tables.state import State

logger = logging.getLogger("perdure.processor")
PENDING_BYTES_MAX = 16 << 20  # of bodies: the log is behind, services must wait
RECOVER_COUNT = 64  # attempts begun by one slice of a recovery
CHORES_AT_ONCE = 24  # of all partitions: each step may touch some hundred rows


class Surroundings(TopicsAround, Protocol):
    """What a term needs of its process."""

    invoker: InvokerPort
    expiry: ExpiryClock
    timers_per_record: int
    timers_ahead_ms: int
    letters_kept_ms: int
    pending_records_max: int
    journal_limits: JournalLimits
    slices: Slices

    def share(self, count: int) -> int:
        """What is one partition's part, if all of them together may do so much at once."""
        ...

    def wake_by(self, monotonic_ms: int) -> None:
        """Look at what is due at this time of the monotonic clock, or before."""
        ...

    @property
    def deliver(self) -> DeliverTransfer:
        """Append a transfer to another partition."""
        ...


class Propose(Protocol):
    """`Seat.propose`."""

    def __call__(
        self, record: AnyRecord, waiter: None = None, more: Yield | None = None, /
    ) -> None: ...


class Term:
    """Leadership of one partition under one epoch."""

    def __init__(
        self,
        state: State,
        around: Surroundings,
        results: Results,
        propose: Propose,
        fail: Callable[[Exception], None],
    ) -> None:
        self.epoch = state.partition_row.epoch
        self.is_over = False
        self._is_holding_back = False
        self.state = state
        self._around = around
        self._results = results
        self.propose = propose
        self.share = around.share
        self.wake_by = around.wake_by
        self._fail = fail
        self._start = around.invoker.start
        self._notify = around.invoker.notify
        self.source = AttemptSource(
            state,
            self.epoch,
            propose,
            self._start_held,
            self._lost,
            around.journal_limits,
            self._drop_soon,
            around.clock.now_ms,
        )
        self._transfers = TransferCarrier(state.partition, around.deliver)
        self._topics = TermTopics(state, around, propose, lambda: self._is_holding_back)
        self._sender = OutboxSender(
            OutboxRows(state),
            self._carrier_of,
            self._advance,
            around.scheduler,
            self._lost,
        )
        self.due = Due(
            state,
            self.epoch,
            around.clock,
            around.expiry,
            around.timers_per_record,
            self,
            around.timers_ahead_ms,
        )
        self._letters = LetterPurge(
            state,
            self.epoch,
            around.expiry,
            around.letters_kept_ms,
            propose,
            self._purge_letters_soon,
        )
        self._chores = Chores(self._step_chore, lambda: around.share(CHORES_AT_ONCE))
        self._is_running_due = False
        self._settled: dict[type, Callable[[Any], None]] = {
            TimersFired: self.due.fired,
            PurgeExpired: self.due.purged,
            PurgeDeadLetters: self._letters.purged,
            ChoreStep: lambda record: self._chores.step_applied(record.key),
            **self._topics.settled,
        }

    def begin(self) -> None:
        """Do all that is owed, in slices."""
        late = LateResults(self.state, self._results)
        self._in_slices(late.step)  # some may have come while nobody led here
        self._recover()
        self._topics.begin()
        self.run_due_soon()

    def _recover(self, times_only: bool = False) -> None:
        recovery = Recovery(self.state, self._around.clock.now_ms())

        def step() -> bool:
            actions: list[AnyAction] = []
            has_more = recovery.step(RECOVER_COUNT, actions)
            if times_only:
                actions = [action for action in actions if type(action) in _TIMES]
            self.perform(actions)
            return has_more

        self._in_slices(step)

    def _in_slices(self, work: Slice) -> None:
        self._around.slices.add(partial(self._slice, work))

    def _slice(self, work: Slice) -> bool:
        """Until the term is over, by itself or by a failure."""
        if self.is_over:
            return False
        try:
            return work()
        except Exception as error:  # noqa: BLE001 the next term recovers the actions that were lost
            self._fail(error)
            return False

    def end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.source.is_over = True
            self._sender.stop()
            self._topics.stop()
            self._around.invoker.forget(self.source)

    def settle(self, parts: list[list[AnyRecord]]) -> None:
        """Own proposals have been applied."""
        settled, others = self.source.settled, self._settled
        for part in parts:
            for record in part:
                kind = type(record)
                if kind is Journal:
                    settled(record)  # type: ignore[arg-type]
                elif kind in others:
                    others[kind](record)

    def perform(self, actions: list[AnyAction]) -> None:
        """In order, after a whole message was applied."""
        table, notify = _PERFORM, self._notify
        self._results.begin_turn()
        for action in actions:
            if type(action) is Notify:  # as most are, one for each step
                notify(
                    action.id, action.incarnation, action.index, action.frame, action.completion_id
                )
            else:
                table[type(action)](self, action)

    # --- actions ---

    def start_attempt(self, action: StartAttempt) -> None:
        self.due.retries.drop(action.id)
        self._start(self.source, action.id, action.incarnation)

    def arm_retry(self, action: ArmRetry) -> None:
        self.due.arm_retry(action)

    def ack_command(self, action: AckCommand) -> None:
        self._around.invoker.acknowledge(action.id, action.incarnation, action.command_index)

    def stop_attempt(self, action: StopAttempt) -> None:
        if action.abort:
            self.due.retries.drop(action.id)
        self._around.invoker.stop(action.id, action.incarnation, action.abort)

    def arm_timer(self, action: ArmTimer) -> None:
        self.due.arm_timer(action)

    def _carrier_of(self, lane: Lane) -> Carrier:
        to = lane.destination
        return self._topics.carrier(to.cluster) if isinstance(to, ToTopic) else self._transfers

    def broker_troubles(self) -> Iterator[tuple[str, str]]:
        """Broker clusters that nothing can be sent to now, and why."""
        return self._topics.broker_troubles()

    def lane_views(self) -> Iterator[tuple[int, LaneView]]:
        """Of lanes to topics that have rows, by their numbers."""
        return self._topics.lane_views()

    def read_source(self, action: ReadSource) -> None:
        self._topics.read(action.key)

    def send_outbox(self, action: SendOutbox) -> None:
        self._sender.send(action.lane)

    def do_chore(self, action: DoChore) -> None:
        self._chores.add(action.key)

    def _step_chore(self, key: bytes) -> None:
        self.propose(ChoreStep(self.epoch, self._around.clock.now_ms(), key))

    def complete(self, action: Complete) -> None:
        self.source.over(action.id)
        self._results.complete(action)

    def drop_attempt(self, record: Journal) -> None:
        """Its flush was refused: drop the attempt, and whatever else it sends."""
        self._around.invoker.stop(record.id, record.incarnation, True)

    def _drop_soon(self, record: Journal) -> None:
        """Not while the attempt is proposing it."""
        self._around.scheduler.call_soon(partial(self.drop_attempt, record))

    def hold_back(self, pending_count: int, pending_bytes: int) -> None:
        """Backpressure: services are not read while too many proposals wait for the log."""
        part = 2 if self._is_holding_back else 1
        count_max = self._around.pending_records_max // part
        hold = pending_count > count_max or pending_bytes > PENDING_BYTES_MAX // part
        if hold != self._is_holding_back:
            self._is_holding_back = hold
            self._around.invoker.hold_back(self.source, hold)

    # --- what is due ---

    def run_due_soon(self) -> None:
        """Look at what is due, a slice at a time."""
        if not self._is_running_due:
            self._is_running_due = True
            self._in_slices(self._run_due)

    def _run_due(self) -> bool:
        self._is_running_due = self.due.run_due()
        return self._is_running_due

    def purge_soon(self) -> None:
        """Forget what has expired, a part at a time."""
        self._in_slices(self.due.purge)
        self._purge_letters_soon()

    def _purge_letters_soon(self) -> None:
        self._in_slices(self._letters.purge)

    def start_retry(self, invocation_id: bytes, incarnation: int) -> None:
        self._start(self.source, invocation_id, incarnation)

    def clock_went_back(self) -> None:
        """Derive times again, so that nothing waits until the clock catches up."""
        logger.warning("the clock of this machine was set back")
        self._recover(times_only=True)

    def _advance(self, upto: tuple[tuple[int, int], ...]) -> None:
        self.propose(OutboxAdvanced(self.epoch, upto))

    def _start_held(self, invocation_id: bytes, incarnation: int) -> None:
        self._around.scheduler.call_soon(
            partial(self._start_if_leading, invocation_id, incarnation)
        )

    def _lost(self, error: StoreError) -> None:
        """The store failed under a read that is nobody's turn: end the term once that is over."""
        self._around.scheduler.call_soon(partial(self._lose_if_leading, error))

    def _lose_if_leading(self, error: StoreError) -> None:
        if not self.is_over:
            self._fail(error)

    def _start_if_leading(self, invocation_id: bytes, incarnation: int) -> None:
        if not self.is_over:
            self._start(self.source, invocation_id, incarnation)


_TIMES = (ArmRetry, ArmTimer)
_PERFORM: dict[type, Callable[[Term, Any], None]] = {
    StartAttempt: Term.start_attempt,
    ArmRetry: Term.arm_retry,
    AckCommand: Term.ack_command,
    StopAttempt: Term.stop_attempt,
    ArmTimer: Term.arm_timer,
    SendOutbox: Term.send_outbox,
    DoChore: Term.do_chore,
    ReadSource: Term.read_source,
    Complete: Term.complete,
}
