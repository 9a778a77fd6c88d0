"""The step of one partition: messages in, in order and each once; actions and answers out.

Pure: no clock, no I/O. What was applied is skipped; a gap in the offsets is an
error unless the caller allows it.
"""

from collections.abc import Iterable

from orchestrator.codec.records import message_hash
from orchestrator.machine.apply import apply
from orchestrator.model.actions import AnyAction
from orchestrator.model.answers import Answer
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.records import AnyRecord
from orchestrator.store.stamp import Stamp, StampedStore
from orchestrator.tables.cache import Cache
from orchestrator.tables.state import State


class Partition:
    """State of one partition and how far it has come in the log."""

    __slots__ = ("_last_message", "_last_offset", "_store", "next_offset", "number", "state")

    def __init__(
        self,
        number: int,
        partition_count: int,
        store: StampedStore,
        cache: Cache | None = None,
    ) -> None:
        self.number = number
        self.state = State(number, partition_count, store, cache)
        self.next_offset = self.state.partition_row.applied
        self._store = store
        self._last_offset = store.stamp.last_offset
        self._last_message: bytes | None = None

    def apply_message(
        self,
        offset: int,
        message: bytes,
        records: Iterable[AnyRecord],
        actions: list[AnyAction],
    ) -> list[Answer]:
        """Apply the records of the message at `offset`; `message` is their bytes."""
        assert offset >= self.next_offset, f"offset {offset} was applied before"
        state = self.state
        state.account.dirty_bytes += len(message)
        position = offset << POSITION_INDEX_BITS
        answers = [
            apply(state, record, position + index, actions) for index, record in enumerate(records)
        ]
        self._passed(offset, message)
        return answers

    def skip_message(self, offset: int, message: bytes) -> None:
        """Go on after a message that is not applied, as an operator decided."""
        self._passed(offset, message)

    def _passed(self, offset: int, message: bytes) -> None:
        self.state.partition_row.applied = self.next_offset = offset + 1
        self._last_offset = offset
        self._last_message = message

    @property
    def spilled_to(self) -> int:
        """The store stands for everything below this offset."""
        return self._store.stamp.applied

    def backlog(self) -> int:
        """Of its store."""
        return self._store.backlog()

    def spill(self) -> None:
        """Write what is dirty, with the offset and the hash of the message it stands for."""
        stamp = self._store.stamp
        if self._last_message is not None:
            last_hash = message_hash(self._last_message)
            stamp = Stamp(
                stamp.log_identity, self.number, self.next_offset, self._last_offset, last_hash
            )
            self._store.stamp = stamp
            self._last_message = None
        self.state.spill()
