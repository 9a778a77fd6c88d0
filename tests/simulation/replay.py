"""The log of a partition applied from its start, watched record by record."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import TYPE_CHECKING, Protocol

import msgspec

from orchestrator.codec import keys
from orchestrator.codec.records import decode_message
from orchestrator.machine.details import SIGNALS, look_up
from orchestrator.machine.inputs import whole_invoke
from orchestrator.machine.results import outcome_of
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import REPLY_RETENTION_MS, REQUEST_DEDUPE_MS
from orchestrator.model.records import (
    AnnounceLeader,
    AnyRecord,
    Cancel,
    Failed,
    Journal,
    Pause,
    Purge,
    PurgeExpired,
    Resume,
    Suspended,
    TimersFired,
)
from orchestrator.model.rows import CompletedRow
from orchestrator.model.values import INVOKED, PAUSED, THEN_RETRY, WORKFLOW_RUN, Outcome
from orchestrator.processor.partition import Partition
from orchestrator.store.memory import MemoryStore
from orchestrator.store.stamp import Stamp, StampedStore, read_stamp
from orchestrator.tables.state import State
from orchestrator.tables.table import Table
from perdure.wire.codes import CANCEL_SIGNAL
from tests.simulation.listing_checks import (
    LOOKS,
    Latest,
    check_dropped,
    check_listings,
    listed_over,
)
from tests.simulation.oracle import Life, Oracle
from tests.simulation.programs import decode
from tests.simulation.versions import StoreInTurn, VersionsInTurn

if TYPE_CHECKING:
    from tests.simulation.world import World

END = b"\xff" * 8
Pair = tuple[AnyRecord, Answer]
LATE_S = 10.0  # a record may land so much later than it was made


class Known:
    """What the logs of a world say became of every invocation."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.outcomes: dict[Life, Outcome] = {}
        self.rows: dict[Life, CompletedRow] = {}
        self.lives: dict[bytes, list[Life]] = defaultdict(list)
        self.retries: dict[Life, int | None] = defaultdict(int)  # None: an operator interfered
        self.terms: set[tuple[int, int, int]] = set()
        self.tokens: dict[str, list[Life]] = defaultdict(list)

    def completed(self, state: State, row: CompletedRow) -> None:
        life = (row.invoke.id, row.incarnation)
        if life in self.outcomes:
            self.oracle.broken("life", f"{life[0].hex()} completed twice")
        self.outcomes[life] = outcome_of(state, row)
        given = whole_invoke(state, row)
        self.rows[life] = msgspec.structs.replace(row, invoke=given)  # its journal may go
        self.lives[row.invoke.id].append(life)
        if given.produce is None:
            self.tokens[decode(given.body)["token"]].append(life)


class WatchedTable(Table[CompletedRow]):
    """Completed invocations: none may go before its time."""

    def watch(self, known: Known, state: State) -> None:
        self.known = known
        self.state = state
        self.record: AnyRecord | None = None
        self.landed_s = 0.0  # when that record did
        self.completed_s: dict[bytes, float] = {}

    def put(self, key: bytes, row: CompletedRow) -> None:
        self.known.completed(self.state, row)
        self.completed_s[key] = self.landed_s
        super().put(key, row)

    def delete(self, key: bytes) -> None:
        row = self.get(key)
        if row is not None and not self._may_go(key, row):
            self.known.oracle.broken(
                "retention", f"{key.hex()} went with {type(self.record).__name__}, too early"
            )
        super().delete(key)

    def _may_go(self, key: bytes, row: CompletedRow) -> bool:
        record = self.record
        if isinstance(record, Purge):
            return True
        if isinstance(record, PurgeExpired):
            kept_ms = _kept_ms(row.invoke)
            if record.now_ms < row.completed_at_ms + kept_ms:
                return False
            passed_s = self.landed_s - self.completed_s[key]
            return self.known.oracle.may_expire_early or passed_s > kept_ms / 1000 - LATE_S
        return True  # an id that is submitted anew after it expired


def _kept_ms(invoke: Invoke) -> int:
    derived = invoke.idempotency_key is not None or invoke.kind == WORKFLOW_RUN
    least_ms = REPLY_RETENTION_MS if derived else REQUEST_DEDUPE_MS
    return max(invoke.completion_retention_ms, least_ms)


class Watch(Protocol):
    """Looks on while the log of a partition is applied again."""

    def watching(self, partition: Partition) -> AbstractContextManager[None]: ...

    def applied(self, partition: Partition, offset: int, pairs: Iterable[Pair], epoch: int) -> None:
        """The records of a message, each with its answer; `epoch` is the one before it."""
        ...


def replay(
    world: "World", number: int, known: Known | None, random: Random | None, watch: Watch | None
) -> Partition:
    """A fresh partition with the whole log applied; with `random`, spilled and opened anew here
    and there, which must not change a byte, and looked at as by a query."""
    topic = world.history()
    latest, looks = Latest(), Random(f"looks {world.seed}")
    in_turn = VersionsInTurn(world.seed) if random is not None and world.plan.versions else None
    store = MemoryStore() if in_turn is None else StoreInTurn(in_turn)
    stamp = Stamp(topic.identity, number)
    partition = Partition(number, world.plan.partitions, StampedStore(store, stamp))
    watched = _watch(partition, store, known) if known is not None else None
    with nullcontext() if watch is None else watch.watching(partition):
        for message in topic.messages[number]:
            records = decode_message(message.value)
            actions: list[AnyAction] = []
            if in_turn is not None:
                in_turn.take(partition.state.partition_row.level, records)
            if watched is not None:
                watched.record = records[0]
                watched.landed_s = topic.landed_s[number][message.offset]
            checked = _checked(world, partition, records, known)
            epoch = partition.state.partition_row.epoch
            answers = partition.apply_message(message.offset, message.value, checked, actions)
            if watch is not None:
                pairs = zip(records, answers, strict=True)
                watch.applied(partition, message.offset, pairs, epoch)
            if known is not None:
                _check_leads(known, partition, records[0], message.offset)
            latest.passed(records)
            if random is not None and random.random() < 0.2:
                partition.spill()
                if random.random() < 0.5:
                    stamped = StampedStore(store, read_stamp(store) or stamp)
                    partition = Partition(number, world.plan.partitions, stamped)
                if looks.random() < 5 * LOOKS / len(topic.messages[number]):
                    check_listings(world.oracle, partition, latest)
    settle(partition)
    check_listings(world.oracle, partition, latest)
    return partition


def _checked(
    world: "World", partition: Partition, records: list[AnyRecord], known: Known | None
) -> Iterator[AnyRecord]:
    """Each is looked at in the state in which it is applied: after those before it."""
    for record in records:
        if known is not None:
            _check_record(world, partition, record)
            _check_retries(known, partition, record)
        seen = _seen_before(partition, record) if known is not None else None
        over = listed_over(partition, record)
        yield record
        if over:
            check_dropped(world.oracle, partition, record, over)
        if known is not None and seen is not None:
            _check_cancel(known, partition, record, seen)


def settle(partition: Partition) -> None:
    """Write what is dirty, if there is any, and what stands for it."""
    partition.spill()
    partition.spill()


def _watch(partition: Partition, store: MemoryStore, known: Known) -> WatchedTable:
    state = partition.state
    table = WatchedTable(store, keys.COMPLETED, CompletedRow, state.account)
    table.watch(known, state)
    state.tables = tuple(table if one is state.completed else one for one in state.tables)
    state.completed = table
    return table


def _check_record(world: "World", partition: Partition, record: AnyRecord) -> None:
    oracle = world.oracle
    if isinstance(record, TimersFired):
        latest_ms = record.now_ms + world.loop.turned_back_ms
        early = [key for key in record.keys if keys.timer_due_ms(key) > latest_ms]
        if early:
            oracle.broken("timers", f"{early[0].hex()} fired before its time")


def _check_retries(known: Known, partition: Partition, record: AnyRecord) -> None:
    """Every failure counts, over restarts too; a suspension and a resume begin anew."""
    state = partition.state
    if isinstance(record, Resume | Cancel | Pause):
        row = state.invocations.get(record.target_id)
        if row is not None:
            life = (row.invoke.id, row.incarnation)
            is_resumed = isinstance(record, Resume) and row.status == PAUSED
            known.retries[life] = 0 if is_resumed else None
    if not isinstance(record, Journal) or record.epoch != state.partition_row.epoch:
        return
    row = state.invocations.get(record.id)
    if row is None or row.status != INVOKED or record.attempt < row.attempt:
        return
    life, end = (record.id, record.incarnation), record.end
    if row.incarnation != record.incarnation:
        return
    if isinstance(end, Suspended):
        known.retries[life] = 0
    elif isinstance(end, Failed):
        count = known.retries[life]
        is_asked = end.then != THEN_RETRY and end.retry_count == count  # it uses up no retry
        if count is not None and end.retry_count != count + 1 and not is_asked:
            known.oracle.broken(
                "backoff", f"{record.id.hex()} failed {count + 1} times, says {end.retry_count}"
            )
        # One that pauses goes on and counts anew: resumed, or canceled, perhaps by a handler.
        known.retries[life] = end.retry_count if end.then == THEN_RETRY else None


def _seen_before(partition: Partition, record: AnyRecord) -> tuple[bytes, int] | None:
    """Whose backoff this record may begin or end, and where its signals begin that no attempt has
    seen."""
    if not isinstance(record, Journal | Cancel):
        return None
    invocation_id = record.id if isinstance(record, Journal) else record.target_id
    row = partition.state.invocations.get(invocation_id)
    return None if row is None else (invocation_id, row.seen)


def _check_cancel(
    known: Known, partition: Partition, record: AnyRecord, before: tuple[bytes, int]
) -> None:
    """Nobody backs off who was canceled since its attempt began: a cancel counts at once."""
    invocation_id, seen = before
    row = partition.state.invocations.get(invocation_id)
    if row is None or not row.retry_at_ms or row.invoke.produce is not None:
        return
    mark = look_up(partition.state, row, SIGNALS, CANCEL_SIGNAL)
    if mark is not None and (isinstance(record, Cancel) or mark >> 2 >= seen):
        known.oracle.broken("cancel", f"{row.invoke.id.hex()} backs off though it was canceled")


def _check_leads(known: Known, partition: Partition, record: AnyRecord, offset: int) -> None:
    """An announcement counts once, however often it comes."""
    accepted = partition.state.partition_row.epoch == offset
    if accepted and isinstance(record, AnnounceLeader):
        at = (partition.number, record.nonce, record.epoch_seen)
        if at in known.terms:
            known.oracle.broken("leadership", f"nonce {record.nonce} was accepted twice")
        known.terms.add(at)


def contents(partition: Partition) -> dict[bytes, bytes]:
    return dict(partition.state.store.scan(b"", END))
