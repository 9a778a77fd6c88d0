"""Ports of the intake: what it needs of a term of leadership, and what a term asks of it."""

from typing import Protocol

from orchestrator.model.rows import PartitionRow, SourceRow
from orchestrator.model.topic_records import Intake, SourceClosed, SourceOpened, SwitchFeed

SourceRecord = SourceOpened | Intake | SourceClosed


class IntakeTerm(Protocol):
    """Leadership of one partition, the home of sources."""

    @property
    def partition(self) -> int: ...

    @property
    def partition_count(self) -> int: ...

    @property
    def epoch(self) -> int: ...

    def now_ms(self) -> int: ...

    def propose(self, record: SourceRecord | SwitchFeed) -> None:
        """Append a record of this term. Reported by `TermIntake.applied` (except a SwitchFeed), in
        order; never if the term ends before."""
        ...

    def own_row(self) -> PartitionRow:
        """The row of the partition, as applied. Do not change it."""
        ...

    def source(self, key: bytes) -> SourceRow | None:
        """As applied. Do not change it. StoreError if it cannot be read."""
        ...

    def sources(self) -> list[SourceRow]:
        """All of this partition. StoreError if they cannot be read."""
        ...

    def letter_bytes(self, subscription: str) -> int:
        """Of the dead letters of a subscription in this partition."""
        ...

    def is_pressed(self) -> bool:
        """Backpressure: whether so much waits for the log or in lanes that no records should be
        added."""
        ...


class TermIntake(Protocol):
    """The sources of one term; nothing is read once it is stopped."""

    def read(self, key: bytes) -> None:
        """A source was opened, freed a slot, or is closed: the key of its row."""
        ...

    def applied(self, record: SourceRecord) -> None:
        """A record of this term is applied: the row of its source shows what came of it."""
        ...

    def stop(self) -> None: ...


class NodeIntake(Protocol):
    """What reads the sources of all partitions led here."""

    def begin(self, term: IntakeTerm) -> TermIntake:
        """Read the sources whose home is this term's partition, until it is stopped."""
        ...
