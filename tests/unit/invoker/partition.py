"""A partition in memory: the real machine over a dict, records applied a turn at a time.

It stands in for the processor: what the invoker proposes is applied on the next turn of the loop,
what the machine asks for is done, timers are real.
"""

import asyncio
from collections.abc import Sequence

from orchestrator.codec.keys import object_key
from orchestrator.door.invocations import invocation_id_for, make_invoke
from orchestrator.exchanges.apps import Apps
from orchestrator.exchanges.signing import Signer
from orchestrator.invoker.invoker import Invoker
from orchestrator.invoker.options import InvokerOptions
from orchestrator.invoker.port import AttemptInput, JournalPlace
from orchestrator.machine import kv
from orchestrator.machine.apply import apply
from orchestrator.machine.inputs import whole_invoke
from orchestrator.model.actions import (
    AckCommand,
    AnyAction,
    ArmRetry,
    ArmTimer,
    Complete,
    Notify,
    StartAttempt,
    StopAttempt,
)
from orchestrator.model.answers import Answer
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.records import AnnounceLeader, AnyRecord, Failed, Journal, TimersFired
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import INVOKED, Outcome
from orchestrator.processor.journal import read_journal
from orchestrator.registry.apply_metadata import MetadataState
from orchestrator.registry.apply_metadata import apply_metadata as apply_metadata
from orchestrator.registry.discovery import Discovered, DiscoveryTarget
from orchestrator.registry.records import DeploymentRegistered
from orchestrator.registry.register import Registration, plan_registration
from orchestrator.registry.schema import EMPTY, Registry
from orchestrator.registry.snapshot import Defaults, build_registry
from orchestrator.runtime.clock import SystemClock
from orchestrator.runtime.entropy import SystemEntropy
from orchestrator.runtime.scheduler import LoopScheduler
from orchestrator.store.memory import MemoryStore
from orchestrator.tables.state import State

WAIT_S = 60.0  # far beyond what anything takes, on a busy machine too


class Partition:
    """One partition, its metadata and its invoker."""

    def __init__(
        self,
        options: InvokerOptions | None = None,
        defaults: Defaults | None = None,
        signer: Signer | None = None,
        apps: Apps | None = None,
    ) -> None:
        self.clock = SystemClock()
        self.entropy = SystemEntropy()
        self.state = State(0, 1, MemoryStore())
        self.metadata = MetadataState()
        self.registry: Registry = EMPTY
        self.defaults = defaults or Defaults()
        self.journals: list[Journal] = []
        self.failures: list[Failed] = []
        self.keep_journals = True
        self.reads = 0  # of journals
        self.begun: list[tuple[bytes, int]] = []
        self.invoker = Invoker(
            lambda: self.registry,
            1,
            self.clock,
            self.entropy,
            LoopScheduler(),
            options,
            signer,
            apps=apps,
        )
        self._loop = asyncio.get_running_loop()
        self._proposals: list[AnyRecord] = []
        self._offset = 0
        self._turn_is_due = False
        self._waiting: dict[bytes, asyncio.Future[Outcome]] = {}
        self._do([AnnounceLeader("node", 1, self.state.partition_row.epoch)])

    # --- for tests ---

    def register(self, target: DiscoveryTarget, found: Discovered) -> str:
        """Register what was discovered; the id of the deployment."""
        plan = plan_registration(
            self.metadata,
            Registration(target),
            found,
            frozenset(),
            lambda: f"dp_{self.entropy.random64():016x}",
            self.clock.now_ms(),
        )
        assert isinstance(plan.record, DeploymentRegistered)
        assert apply_metadata(self.metadata, plan.record)
        self.registry = build_registry(self.metadata, self.defaults)
        return plan.deployment.id

    def submit(
        self,
        service: str,
        handler: str,
        body: bytes = b"",
        key: str = "",
        headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),),
        trace: tuple[str, str] = ("", ""),
    ) -> bytes:
        """Invoke; the id."""
        found = self.registry.handler(service, handler)
        assert found is not None, f"{service}/{handler} is not registered"
        invocation_id = invocation_id_for(found, key, None, lambda: self.entropy.random_bytes(24))
        now_ms = self.clock.now_ms()
        self.propose_any(make_invoke(found, invocation_id, key, body, headers, now_ms, trace=trace))
        return invocation_id

    async def result(self, invocation_id: bytes) -> Outcome:
        """The outcome, when there is one."""
        done = self.state.completed.get(invocation_id)
        if done is not None:
            return done.outcome
        waiting = self._waiting.setdefault(invocation_id, self._loop.create_future())
        async with asyncio.timeout(WAIT_S):
            return await waiting

    async def call(self, service: str, handler: str, body: bytes = b"", key: str = "") -> Outcome:
        return await self.result(self.submit(service, handler, body, key))

    def row(self, invocation_id: bytes) -> InvocationRow:
        row = self.state.invocations.get(invocation_id)
        assert row is not None, "the invocation is not live"
        return row

    def propose_any(self, record: AnyRecord) -> None:
        self._proposals.append(record)
        if not self._turn_is_due:
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    # --- what attempts see ---

    def attempt_input(self, invocation_id: bytes, incarnation: int) -> AttemptInput | None:
        row = self.state.invocations.get(invocation_id)
        if row is None or row.incarnation != incarnation or row.status != INVOKED:
            return None
        return AttemptInput(
            invoke=whole_invoke(self.state, row),
            incarnation=row.incarnation,
            epoch=self.state.partition_row.epoch,
            attempt=row.attempt,
            deployment=row.deployment,
            protocol=row.protocol,
            replay_end=JournalPlace(row.chunk_count, len(row.tail)),
            replay_bytes=row.journal_bytes,
            entries=row.entries,
            commands=row.commands,
            retry_count=row.retry_count,
            failures_since_entry=row.failures_since_entry,
            trying_since_ms=row.trying_since_ms,
            pause_requested=row.pause_requested,
        )

    def entries_from(
        self,
        invocation_id: bytes,
        incarnation: int,
        place: JournalPlace,
        end: JournalPlace | None,
        bytes_max: int,
    ) -> tuple[list[bytes], JournalPlace] | None:
        row = self.state.invocations.get(invocation_id)
        if row is None or row.incarnation != incarnation:
            return None
        self.reads += 1
        return read_journal(self.state, row, place, end, bytes_max)

    def begins(self, invocation_id: bytes, attempt: int) -> None:
        self.begun.append((invocation_id, attempt))

    def state_of(
        self, invocation_id: bytes, bytes_max: int
    ) -> tuple[list[tuple[bytes, bytes]], bool]:
        invoke = self.row(invocation_id).invoke
        owner = self.state.objects.get(object_key(invoke.service, invoke.key))
        pairs = [] if owner is None else list(kv.pairs(self.state, owner))
        return pairs, True

    def propose(self, record: Journal) -> None:
        if self.keep_journals:
            self.journals.append(record)
        if isinstance(record.end, Failed):
            self.failures.append(record.end)
        self.propose_any(record)

    # --- the loop ---

    def _turn(self) -> None:
        self._turn_is_due = False
        batch, self._proposals = self._proposals, []
        self._do(batch)

    def _do(self, records: Sequence[AnyRecord]) -> None:
        actions: list[AnyAction] = []
        for record in records:
            answer = apply(self.state, record, self._offset << POSITION_INDEX_BITS, actions)
            assert answer is not Answer.NOT_FOUND
            self._offset += 1
            self.state.partition_row.applied = self._offset
        for action in actions:
            self._act(action)

    def _act(self, action: AnyAction) -> None:
        if isinstance(action, StartAttempt):
            self.invoker.start(self, action.id, action.incarnation)
        elif isinstance(action, Notify):
            self.invoker.notify(
                action.id, action.incarnation, action.index, action.frame, action.completion_id
            )
        elif isinstance(action, AckCommand):
            self.invoker.acknowledge(action.id, action.incarnation, action.command_index)
        elif isinstance(action, StopAttempt):
            self.invoker.stop(action.id, action.incarnation, action.abort)
        elif isinstance(action, ArmRetry):
            self._later(action.at_ms, self.invoker.start, self, action.id, action.incarnation)
        elif isinstance(action, ArmTimer):
            self._later(action.due_ms, self._fire, action.key)
        elif isinstance(action, Complete):
            waiting = self._waiting.pop(action.id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(action.outcome)

    def _later(self, at_ms: int, call: object, *args: object) -> None:
        delay_s = max(0, at_ms - self.clock.now_ms()) / 1000
        self._loop.call_later(delay_s, call, *args)  # type: ignore[arg-type]

    def _fire(self, key: bytes) -> None:
        epoch = self.state.partition_row.epoch
        self.propose_any(TimersFired(epoch, self.clock.now_ms(), (key,)))
