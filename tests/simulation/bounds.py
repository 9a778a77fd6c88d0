"""What one record may do: work that could be large is bounded, and goes on by follow-up records.

Worlds are small, so the bounds are made small too.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from orchestrator.codec import keys
from orchestrator.machine import (
    apply,
    apply_chore,
    apply_letters,
    apply_produced,
    details,
    ended,
    futures,
    journal,
    kv,
    life,
    names,
    waiting,
)
from orchestrator.machine.step import Step
from orchestrator.model import limits
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.records import (
    AnyRecord,
    ChoreStep,
    Item,
    Journal,
    Kill,
    PurgeExpired,
)
from orchestrator.model.topic_records import CloseLane, PurgeDeadLetters
from orchestrator.processor import due, partition
from orchestrator.tables import cache
from orchestrator.tables.state import State
from orchestrator.tables.table import Table
from tests.simulation.mutation import Patch
from tests.simulation.oracle import Oracle

_MANY = (keys.STATE, keys.PROMISE, keys.CHUNK)  # tables of which one owner may have many rows


@dataclass
class Bounds:
    """Rows a follow-up record, invocations a purge record may touch; where rows are split."""

    chore: int
    purge: int
    journal_bytes: int
    state_bytes: int
    cache_bytes: int  # for rows kept over a spill
    places: int  # of inboxes that one record may look at
    details: int  # values of a kind an invocation has in its row, and in a page
    waiters: int  # callers the row they wait for holds
    outcome_bytes: int  # a larger outcome is written apart from the work of telling many
    direct: int  # leaves of a future that are looked through at each completion


def make_bounds(seed: int) -> Bounds:
    random = Random(f"bounds {seed}")
    return Bounds(
        chore=random.choice((1, 1, 2, 200)),
        purge=random.choice((1, 3, 500)),
        journal_bytes=random.choice((150, 150, limits.JOURNAL_INLINE_BYTES)),
        state_bytes=random.choice((30, 30, limits.STATE_INLINE_BYTES)),
        cache_bytes=random.choice((0, 5_000, cache.CACHE_BYTES_MAX)),
        places=random.choice((0, 0, 1, limits.INBOX_STEP_COUNT)),
        details=random.choice((1, 1, 3, limits.DETAIL_INLINE_COUNT)),
        waiters=random.choice((0, 0, 1, limits.WAITERS_INLINE_COUNT)),
        outcome_bytes=random.choice((0, 0, limits.INPUT_INLINE_BYTES)),
        direct=random.choice((0, 0, limits.FUTURE_DIRECT_COUNT)),
    )


@contextmanager
def bounded(bounds: Bounds, oracle: Oracle) -> Iterator[None]:
    """Every record that is applied meanwhile is held to its bounds."""
    patch = Patch()
    for chores in (apply_chore, apply_produced):
        patch.set(chores, "CHORE_STEP_COUNT", bounds.chore)
    for module in (due, apply_letters):
        patch.set(module, "PURGE_STEP_COUNT", bounds.purge)
    patch.set(journal, "JOURNAL_INLINE_BYTES", bounds.journal_bytes)
    patch.set(kv, "STATE_INLINE_BYTES", bounds.state_bytes)
    patch.set(apply, "INBOX_STEP_COUNT", bounds.places)
    patch.set(names, "DETAIL_INLINE_COUNT", bounds.details - 1)
    for module in (details, life):
        patch.set(module, "DETAIL_INLINE_COUNT", bounds.details)
    patch.set(details, "DETAIL_PAGE_COUNT", bounds.details)
    patch.set(waiting, "WAITERS_INLINE_COUNT", bounds.waiters)
    patch.set(waiting, "INPUT_INLINE_BYTES", bounds.outcome_bytes)
    patch.set(futures, "FUTURE_DIRECT_COUNT", bounds.direct)
    patch.set(cache, "CACHE_BYTES_MAX", bounds.cache_bytes)
    deleted: Counter[bytes] = Counter()
    killed: list[bytes] = []  # children
    own: set[bytes] = set()  # rows the record wrote itself: it may take them back
    add, put, delete = Table.add, Table.put, Table.delete
    apply_one = partition.apply  # type: ignore[attr-defined]

    def added(self: Table[Any], key: bytes, row: Any) -> None:
        own.add(self.prefix + key)
        add(self, key, row)

    def written(self: Table[Any], key: bytes, row: Any) -> None:
        if self.get(key) is None:
            own.add(self.prefix + key)
        put(self, key, row)

    def counted(self: Table[Any], key: bytes) -> None:
        if self.prefix + key not in own and not _is_unawaited(self, key):
            deleted[self.prefix] += 1
        delete(self, key)

    def watched(state: State, record: AnyRecord, position: int, actions: list[AnyAction]) -> Answer:
        deleted.clear()
        own.clear()
        killed.clear()
        answer = apply_one(state, record, position, actions)
        _check(bounds, oracle, record, deleted, len(killed))
        return answer

    def routed(step: Step, item: Item) -> None:
        if isinstance(item, Kill):
            killed.append(item.target_id)
        route_item(step, item)

    patch.set(Table, "add", added)
    patch.set(Table, "put", written)
    patch.set(Table, "delete", counted)
    patch.set(partition, "apply", watched)
    route_item = patch.set(ended, "route_item", routed)
    try:
        yield
    finally:
        patch.undo()


def _is_unawaited(table: Table[Any], key: bytes) -> bool:
    """A promise that nobody completed goes with the last one who waits for it."""
    row = table.get(key) if table.prefix == keys.PROMISE else None
    return row is not None and row.outcome is None


def _check(
    bounds: Bounds,
    oracle: Oracle,
    record: AnyRecord,
    deleted: Counter[bytes],
    killed: int,
) -> None:
    rows = sum(deleted[prefix] for prefix in _MANY)
    most = bounds.chore if isinstance(record, ChoreStep) else 0
    if isinstance(record, Journal):
        most = len(record.effects)  # each may clear a key
    if rows > most:
        oracle.broken("bounds", f"{type(record).__name__} deletes {rows} rows, may {most}")
    if killed > bounds.chore:
        oracle.broken("bounds", f"one record kills {killed}, may {bounds.chore}")
    if isinstance(record, PurgeExpired) and len(record.keys) > 1:
        purged = deleted[keys.COMPLETED]
        if purged > bounds.purge:
            oracle.broken("bounds", f"one record purges {purged}, may {bounds.purge}")
    if isinstance(record, CloseLane | ChoreStep) and deleted[keys.OUTBOX] > bounds.chore:
        oracle.broken("bounds", f"{type(record).__name__} sets {deleted[keys.OUTBOX]} rows aside")
    if isinstance(record, PurgeDeadLetters) and deleted[keys.LETTER] > bounds.purge:
        oracle.broken("bounds", f"one record purges {deleted[keys.LETTER]} dead letters")
