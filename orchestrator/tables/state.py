"""The state of one partition: its tables, its own row, and the spill."""

from typing import Any

from orchestrator.codec import keys
from orchestrator.codec.rows import encode_row, row_decoder
from orchestrator.model.rows import (
    ChoreRow,
    ChunkRow,
    CompletedRow,
    DeadLetterRow,
    DetailRow,
    InboxRow,
    InputRow,
    InvocationRow,
    ObjectRow,
    OutboxRow,
    PartitionRow,
    PromiseRow,
    ResultRow,
    RetentionRow,
    SourceRow,
    StateRow,
    TimerRow,
    WaiterRow,
)
from orchestrator.tables.cache import Cache
from orchestrator.tables.listings import Listings
from orchestrator.tables.port import Store
from orchestrator.tables.table import Table


class State:
    """What applying the log up to `partition_row.applied` gives."""

    __slots__ = (
        "__weakref__",
        "_cache",
        "_dirty_keys",
        "account",
        "chores",
        "chunks",
        "completed",
        "derived",
        "details",
        "inbox",
        "inputs",
        "invocations",
        "letters",
        "listings",
        "objects",
        "outbox",
        "partition",
        "partition_count",
        "partition_row",
        "promises",
        "results",
        "retention",
        "sources",
        "state_rows",
        "store",
        "tables",
        "timers",
        "waiters",
    )

    def __init__(
        self, partition: int, partition_count: int, store: Store, cache: Cache | None = None
    ) -> None:
        self.partition = partition
        self.partition_count = partition_count
        self.store = store
        self._cache = Cache() if cache is None else cache
        account = self.account = self._cache.open_account(self)
        # What the machine made of rows and remembers beside them: no part of the state.
        self.derived: dict[bytes, Any] = {}
        stored = store.get(keys.PARTITION)
        self.partition_row = row_decoder(PartitionRow)(stored) if stored else PartitionRow()
        self.invocations = Table(store, keys.INVOCATION, InvocationRow, account)
        self.completed = Table(store, keys.COMPLETED, CompletedRow, account, rarely_read=True)
        self.inputs = Table(store, keys.INPUT, InputRow, account, written_once=True)
        self.results = Table(store, keys.RESULT, ResultRow, account, True, rarely_read=True)
        self.chunks = Table(store, keys.CHUNK, ChunkRow, account, written_once=True)
        self.objects = Table(store, keys.OBJECT, ObjectRow, account)
        self.inbox = Table(store, keys.INBOX, InboxRow, account)
        self.state_rows = Table(store, keys.STATE, StateRow, account)
        self.promises = Table(store, keys.PROMISE, PromiseRow, account)
        self.timers = Table(store, keys.TIMER, TimerRow, account)
        self.outbox = Table(store, keys.OUTBOX, OutboxRow, account)
        self.retention = Table(store, keys.RETENTION, RetentionRow, account, rarely_read=True)
        self.chores = Table(store, keys.CHORE, ChoreRow, account)
        self.details = Table(store, keys.DETAIL, DetailRow, account)
        self.waiters = Table(store, keys.WAITER, WaiterRow, account)
        self.sources = Table(store, keys.SOURCE, SourceRow, account)
        self.letters = Table(store, keys.LETTER, DeadLetterRow, account)
        self.listings = Listings(store, account)
        self.tables: tuple[Table, ...] = (  # type: ignore[type-arg]
            self.invocations,
            self.listings,  # before the completed ones, whose places it sets
            self.completed,
            self.inputs,
            self.results,
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
            self.sources,
            self.letters,
        )
        self._dirty_keys = tuple(table.dirty_keys for table in self.tables)

    @property
    def dirty_count(self) -> int:
        """Rows the next spill will write."""
        return sum(map(len, self._dirty_keys))

    @property
    def dirty_bytes(self) -> int:
        """About what the dirty rows hold: the size of the records since the last spill, and of what
        these copied."""
        return self.account.dirty_bytes

    def spill(self) -> None:
        """Write what is dirty and the offset it stands for, as one batch."""
        writes: list[tuple[bytes, bytes | None]] = []
        for table in self.tables:
            table.drain(writes)
        writes.append((keys.PARTITION, encode_row(self.partition_row)))
        self.store.write(writes)
        self.account.dirty_bytes = 0
        self._cache.shrink()
