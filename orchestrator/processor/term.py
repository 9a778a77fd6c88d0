"""One term of leadership of a partition: performs actions, and owns what only a leader has.

Whatever an action causes comes back as a record. A term that is over does nothing any more.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol

from orchestrator.invoker.port import InvokerPort
from orchestrator.machine.recover import recover
from orchestrator.model.actions import (
    AckCommand,
    AnyAction,
    ArmRetry,
    ArmTimer,
    Complete,
    DoChore,
    Notify,
    SendOutbox,
    StartAttempt,
    StopAttempt,
)
from orchestrator.model.limits import PURGE_STEP_COUNT
from orchestrator.model.records import (
    AnyRecord,
    ChoreStep,
    Journal,
    OutboxAdvanced,
    PurgeExpired,
    TimersFired,
)
from orchestrator.outbox.rows import OutboxRows
from orchestrator.outbox.sender import OutboxSender
from orchestrator.outbox.transfers import Deliver, TransferCarrier
from orchestrator.processor.journal_limit import JournalLimits
from orchestrator.processor.source import AttemptSource
from orchestrator.processor.waiters import Results
from orchestrator.runtime.clock import Clock
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.store.port import StoreError
from orchestrator.tables.state import State
from orchestrator.timers.queue import TimerQueue
from orchestrator.timers.retries import Retry, RetryQueue

PENDING_RECORDS_MAX = 4_000  # more than a turn takes: the log is behind, services must wait
PURGES_PER_TURN = 4  # the rest of what expired waits for the next look


class Surroundings(Protocol):
    """What a term needs of its process."""

    invoker: InvokerPort
    clock: Clock
    scheduler: Scheduler
    timers_per_record: int
    journal_limits: JournalLimits

    def ring_by(self, at_ms: int) -> None:
        """Look at the timers at this time, or before."""
        ...

    @property
    def deliver(self) -> Deliver:
        """Append a transfer to another partition."""
        ...


class Term:
    """Leadership of one partition under one epoch."""

    def __init__(
        self,
        state: State,
        around: Surroundings,
        results: Results,
        propose: Callable[[AnyRecord], None],
        lose_store: Callable[[StoreError], None],
    ) -> None:
        self.epoch = state.partition_row.epoch
        self.timers = TimerQueue()
        self.retries = RetryQueue()
        self.is_over = False
        self._is_holding_back = False
        self.state = state
        self._around = around
        self._results = results
        self._propose = propose
        self._lose_store = lose_store
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
        )
        transfers = TransferCarrier(state.partition, around.deliver)
        self._sender = OutboxSender(
            OutboxRows(state),
            lambda lane: transfers,
            self._advance,
            around.scheduler,
            self._lost,
        )

    def begin(self) -> None:
        """Do all that is owed."""
        actions: list[AnyAction] = []
        recover(self.state, actions)
        self.perform(actions)
        self._around.ring_by(self._around.clock.now_ms())

    def end(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.source.is_over = True
            self._sender.stop()
            self._around.invoker.forget(self.source)

    def settle(self, parts: list[list[AnyRecord]]) -> None:
        """Own proposals have been applied."""
        settled = self.source.settled
        for part in parts:
            for record in part:
                if type(record) is Journal:
                    settled(record)

    def perform(self, actions: list[AnyAction]) -> None:
        """In order, after a whole message was applied."""
        table = _PERFORM
        for action in actions:
            table[type(action)](self, action)

    # --- actions ---

    def start_attempt(self, action: StartAttempt) -> None:
        self.retries.drop(action.id)
        self._start(self.source, action.id, action.incarnation)

    def arm_retry(self, action: ArmRetry) -> None:
        self.retries.arm(Retry(action.at_ms, action.id, action.incarnation))
        self._around.ring_by(action.at_ms)

    def notify(self, action: Notify) -> None:
        self._notify(
            action.id, action.incarnation, action.index, action.frame, action.completion_id
        )

    def ack_command(self, action: AckCommand) -> None:
        self._around.invoker.acknowledge(action.id, action.incarnation, action.command_index)

    def stop_attempt(self, action: StopAttempt) -> None:
        if action.abort:
            self.retries.drop(action.id)
        self._around.invoker.stop(action.id, action.incarnation, action.abort)

    def arm_timer(self, action: ArmTimer) -> None:
        if self.timers.add(action.key):
            self._around.ring_by(action.due_ms)

    def send_outbox(self, action: SendOutbox) -> None:
        self._sender.send(action.lane)

    def do_chore(self, action: DoChore) -> None:
        self._propose(ChoreStep(self.epoch, self._around.clock.now_ms(), action.key))

    def complete(self, action: Complete) -> None:
        self.source.over(action.id)
        self._results.complete(action)

    def drop_attempt(self, record: Journal) -> None:
        """Its flush was refused: what else it says does not count."""
        self._around.invoker.stop(record.id, record.incarnation, True)

    def _drop_soon(self, record: Journal) -> None:
        """Not while the attempt is proposing it."""
        self._around.scheduler.call_soon(partial(self.drop_attempt, record))

    def hold_back(self, pending_count: int) -> None:
        """What services say without waiting must not pile up here while the log takes nothing."""
        hold = pending_count > PENDING_RECORDS_MAX // (2 if self._is_holding_back else 1)
        if hold != self._is_holding_back:
            self._is_holding_back = hold
            self._around.invoker.hold_back(self.source, hold)

    # --- what is due ---

    def ring(self, now_ms: int) -> int:
        """Propose the timers that are due, start the retries; when to be called again."""
        if self.timers.needs_load(now_ms):
            self.timers.load(now_ms, self._timer_keys())
        count_max = self._around.timers_per_record
        keys = self.timers.due(now_ms, count_max)
        while keys:
            live = tuple(key for key in keys if self.state.timers.get(key) is not None)
            if live:
                self._propose(TimersFired(self.epoch, now_ms, live))
            keys = self.timers.due(now_ms, count_max)
        for retry in self.retries.due(now_ms):
            self._start(self.source, retry.id, retry.incarnation)
        next_ms = self.timers.next_ms()
        retry_ms = self.retries.next_ms()
        return next_ms if retry_ms is None else min(next_ms, retry_ms)

    def purge_expired(self, now_ms: int) -> bool:
        """Propose to forget what has expired; True if there is more."""
        keys: list[bytes] = []
        count = proposed = 0
        for key, row in self.state.retention.scan(stop=(now_ms + 1).to_bytes(8, "big")):
            if keys and count + len(row.items) > PURGE_STEP_COUNT:
                self._propose(PurgeExpired(self.epoch, now_ms, tuple(keys)))
                keys, count, proposed = [], 0, proposed + 1
                if proposed == PURGES_PER_TURN:
                    return True
            keys.append(key)
            count += len(row.items)
        if keys:
            self._propose(PurgeExpired(self.epoch, now_ms, tuple(keys)))
        return False

    def _timer_keys(self) -> Iterator[bytes]:
        start = self.timers.horizon_ms.to_bytes(8, "big")
        return (key for key, _ in self.state.timers.scan(start))

    def _advance(self, upto: tuple[tuple[int, int], ...]) -> None:
        self._propose(OutboxAdvanced(self.epoch, upto))

    def _start_held(self, invocation_id: bytes, incarnation: int) -> None:
        self._around.scheduler.call_soon(
            partial(self._start_if_leading, invocation_id, incarnation)
        )

    def _lost(self, error: StoreError) -> None:
        """The store failed under a read that is nobody's turn: end the term once that is over."""
        self._around.scheduler.call_soon(partial(self._lose_if_leading, error))

    def _lose_if_leading(self, error: StoreError) -> None:
        if not self.is_over:
            self._lose_store(error)

    def _start_if_leading(self, invocation_id: bytes, incarnation: int) -> None:
        if not self.is_over:
            self._start(self.source, invocation_id, incarnation)


_PERFORM: dict[type, Callable[[Term, Any], None]] = {
    StartAttempt: Term.start_attempt,
    ArmRetry: Term.arm_retry,
    Notify: Term.notify,
    AckCommand: Term.ack_command,
    StopAttempt: Term.stop_attempt,
    ArmTimer: Term.arm_timer,
    SendOutbox: Term.send_outbox,
    DoChore: Term.do_chore,
    Complete: Term.complete,
}
