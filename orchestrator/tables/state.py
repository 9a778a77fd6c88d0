"""The state of one partition: its tables, its own row, and the spill."""

from typing import Any

from orchestrator.codec import keys
from orchestrator.codec.rows import encode_row, row_decoder
from orchestrator.model.rows import (
    ChoreRow,
    ChunkRow,
    CompletedRow,
    DetailRow,
    InboxRow,
    InputRow,
    InvocationRow,
    ObjectRow,
    OutboxRow,
    PartitionRow,
    PromiseRow,
    RetentionRow,
    StateRow,
    TimerRow,
    WaiterRow,
)
from orchestrator.tables.port import Store
from orchestrator.tables.table import Table


class State:
    """What applying the log up to `partition_row.applied` gives."""

    __slots__ = (
        "_tables",
        "chores",
        "chunks",
        "completed",
        "derived",
        "details",
        "inbox",
        "inputs",
        "invocations",
        "objects",
        "outbox",
        "partition",
        "partition_count",
        "partition_row",
        "promises",
        "retention",
        "state_rows",
        "store",
        "timers",
        "waiters",
    )

    def __init__(self, partition: int, partition_count: int, store: Store) -> None:
        self.partition = partition
        self.partition_count = partition_count
        self.store = store
        # What the machine made of rows and remembers beside them: no part of the state.
        self.derived: dict[bytes, Any] = {}
        stored = store.get(keys.PARTITION)
        self.partition_row = row_decoder(PartitionRow)(stored) if stored else PartitionRow()
        self.invocations = Table(store, keys.INVOCATION, InvocationRow)
        self.completed = Table(store, keys.COMPLETED, CompletedRow)
        self.inputs = Table(store, keys.INPUT, InputRow)
        self.chunks = Table(store, keys.CHUNK, ChunkRow)
        self.objects = Table(store, keys.OBJECT, ObjectRow)
        self.inbox = Table(store, keys.INBOX, InboxRow)
        self.state_rows = Table(store, keys.STATE, StateRow)
        self.promises = Table(store, keys.PROMISE, PromiseRow)
        self.timers = Table(store, keys.TIMER, TimerRow)
        self.outbox = Table(store, keys.OUTBOX, OutboxRow)
        self.retention = Table(store, keys.RETENTION, RetentionRow)
        self.chores = Table(store, keys.CHORE, ChoreRow)
        self.details = Table(store, keys.DETAIL, DetailRow)
        self.waiters = Table(store, keys.WAITER, WaiterRow)
        self._tables: tuple[Table, ...] = (  # type: ignore[type-arg]
            self.invocations,
            self.completed,
            self.inputs,
            self.chunks,
            self.objects,
            self.inbox,
            self.state_rows,
            self.promises,
            self.timers,
            self.outbox,
            self.retention,
            self.chores,
            self.details,
            self.waiters,
        )

    @property
    def dirty_count(self) -> int:
        """Rows the next spill will write."""
        return sum(table.dirty_count for table in self._tables)

    def spill(self) -> None:
        """Write what is dirty and the offset it stands for, as one batch."""
        writes: list[tuple[bytes, bytes | None]] = []
        for table in self._tables:
            table.drain(writes)
        writes.append((keys.PARTITION, encode_row(self.partition_row)))
        self.store.write(writes)
