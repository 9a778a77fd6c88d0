"""The sources of one term: opened, read, closed, as subscriptions and topics come and go."""

import logging
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from orchestrator.brokers.reader_port import InRecord, TopicReader
from orchestrator.codec.keys import source_key
from orchestrator.door.refusals import Refused
from orchestrator.door.targets import find_public_handler
from orchestrator.intake.feeds import owed_switches
from orchestrator.intake.headers import sort_headers
from orchestrator.intake.items import SourceFacts, make_sorted_item
from orchestrator.intake.port import IntakeTerm, SourceRecord
from orchestrator.intake.reading import IntakeItem, SourceReading
from orchestrator.intake.wanted import WantedSource
from orchestrator.model.limits import LETTER_BYTES_MAX
from orchestrator.model.rows import SourceRow
from orchestrator.model.topic_records import Intake, SourceClosed, SourceOpened
from orchestrator.registry.schema import Registry
from orchestrator.registry.stored_topics import StoredSubscription
from orchestrator.runtime.scheduler import Scheduler
from orchestrator.store.port import StoreError

HELD_BYTES_MAX: Final = 1 << 20  # of records of a source that wait to be proposed
HELD_BYTES_MIN: Final = 32 << 10  # however many sources there are
NODE_BYTES_MAX: Final = 32 << 20  # of all sources together
READY_MAX: Final = 256
"""Records of a source beyond those that a busy service works at. What is taken too early is written
to the store while it waits, and more attempts at a time cost a service more."""

ReaderOf = Callable[[StoredSubscription], TopicReader | None]
_LOG = logging.getLogger("perdure.intake")


class TermHost(Protocol):
    """What a term's sources tell their node."""

    reading_count: int  # sources that are read, of all terms

    def ended(self, sources: "TermSources") -> None: ...

    def left_out(self, subscription: StoredSubscription, count: int) -> None:
        """Headers of a record that no handler sees."""
        ...

    def moved(self, reading: SourceReading) -> None: ...

    def waiting_of(self, deployment: str) -> int:
        """Attempts that wait because its service is busy."""
        ...


class TermSources:
    """The `TermIntake` port; a `SourceHost` for what it reads."""

    def __init__(
        self,
        term: IntakeTerm,
        registry: Callable[[], Registry],
        reader_of: ReaderOf,
        scheduler: Scheduler,
        engine: str,
        payload_bytes_max: int,
        node: "TermHost",
    ) -> None:
        self._term = term
        self._registry = registry
        self._reader_of = reader_of
        self._scheduler = scheduler
        self._engine = engine
        self._payload_bytes_max = payload_bytes_max
        self._node = node
        self._wanted: Mapping[bytes, WantedSource] = {}
        self._asked: dict[bytes, int] = {}  # generation whose SourceOpened is proposed
        self._closing: set[bytes] = set()
        self._read: dict[bytes, SourceReading] = {}
        self._gaps_passed: dict[bytes, int] = {}
        self._is_over = False
        self.has_failed = False  # the rows could not be read: `want` has to be called again
        self.partition = term.partition
        self.epoch = term.epoch
        self.now_ms = term.now_ms
        self.propose = term.propose

    # what there should be

    def want(self, wanted: Mapping[bytes, WantedSource]) -> None:
        """`wanted` are the sources whose home is here."""
        self._wanted = wanted
        self._switch_feeds()
        registry = self._registry()
        self.has_failed = False
        try:
            for row in self._term.sources():
                key = source_key(row.source)
                if key not in wanted and self._is_over_for_good(row, registry):
                    self._close(key, row)
            for key in [key for key in self._read if key not in wanted]:
                self._stop(key)
            for key in wanted:
                self._look(key)
        except StoreError as error:  # whoever leads next reads it again
            self.has_failed = True
            _LOG.warning("the sources of partition %d cannot be read: %s", self.partition, error)

    @staticmethod
    def _is_over_for_good(row: SourceRow, registry: Registry) -> bool:
        """Whether the subscription is deleted: metadata that are as new as those it was opened by
        do not have it.

        A source that is closed and opened again would begin at its start. So it is never closed
        because of older metadata, or because a broker reports another id of the topic.
        """
        is_known = row.source.subscription in registry.topics.subscriptions
        return not is_known and registry.version >= row.metadata_version

    def _switch_feeds(self) -> None:
        registry, own = self._registry(), self._term.own_row()
        for switch in owed_switches(registry, own, self._engine, self.epoch, self.now_ms()):
            self._term.propose(switch)

    def _close(self, key: bytes, row: SourceRow) -> None:
        if key not in self._closing:
            self._closing.add(key)
            self._stop(key)
            self.propose(SourceClosed(self.epoch, self.now_ms(), row.source, row.generation))

    def _stop(self, key: bytes) -> None:
        read = self._read.pop(key, None)
        if read is not None:
            self._node.reading_count -= 1
            read.stop()

    def _look(self, key: bytes) -> None:
        """Propose to open the source, begin to read it, or tell its reading of a change."""
        wanted = self._wanted.get(key)
        if wanted is None or self._is_over:
            return
        generation = wanted.subscription.generation
        row = self._term.source(key)
        if row is None or row.generation < generation:
            self._open(key, wanted)
            return
        read = self._read.get(key)
        facts = self._facts(wanted, row)
        reader = self._reader_of(wanted.subscription)
        if read is not None and (read.facts.generation, read.reader) != (row.generation, reader):
            self._stop(key)
            read = None
        if read is None:
            if reader is None or row.generation != generation:
                return
            read = self._read[key] = SourceReading(key, self, facts)
            self._node.reading_count += 1
            self._gaps_passed[key] = wanted.subscription.gaps_passed
            read.begin(reader, row)
            return
        read.facts = facts
        if wanted.subscription.gaps_passed > self._gaps_passed[key]:
            self._gaps_passed[key] = wanted.subscription.gaps_passed
            read.pass_gap()
        read.look(row)

    def _open(self, key: bytes, wanted: WantedSource) -> None:
        """Portions of the old generation may be on their way: where it stands then, and goes on,
        is seen when the record is applied."""
        generation = wanted.subscription.generation
        if self._asked.get(key, 0) >= generation:
            return
        self._asked[key] = generation
        self._stop(key)
        self.propose(
            SourceOpened(
                self.epoch,
                self.now_ms(),
                wanted.source,
                generation,
                wanted.start,
                self._registry().version,
                wanted.goes_on_from,
            )
        )

    def _facts(self, wanted: WantedSource, row: SourceRow) -> SourceFacts:
        return SourceFacts(
            self._engine,
            wanted.source,
            row.generation,
            self.partition,
            wanted.subscription,
            self._payload_bytes_max,
        )

    # the port

    def read(self, key: bytes) -> None:
        row = None if self._is_over else self._term.source(key)
        if row is None:
            self._closing.discard(key)
            self._asked.pop(key, None)
            self._stop(key)
            return
        read = self._read.get(key)
        if read is not None and read.facts.generation == row.generation:
            read.look(row)
        elif key in self._wanted:
            self._look(key)
        elif self._is_over_for_good(row, self._registry()):
            self._close(key, row)

    def applied(self, record: SourceRecord) -> None:
        if not isinstance(record, Intake):
            return
        key = source_key(record.source)
        read = self._read.get(key)
        row = self._term.source(key)
        if read is not None and row is not None and record.generation == row.generation:
            read.applied(record, row)

    def stop(self) -> None:
        self._is_over = True
        for key in list(self._read):
            self._stop(key)
        self._node.ended(self)

    # for its sources

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._scheduler.call_later(delay_s, call)

    def room(self, subscription: StoredSubscription) -> int:
        """As `SourceHost`. Of an ingress topic no service is asked: its records are for any."""
        return 0 if self._term.is_pressed() else READY_MAX - self._waiting(subscription)

    def _waiting(self, subscription: StoredSubscription) -> int:
        """Attempts of its handler's deployment that wait for a slot."""
        handler = None
        if subscription.service:
            handler = self._registry().handler(subscription.service, subscription.handler)
        return 0 if handler is None else self._node.waiting_of(handler.deployment_id)

    def held_back(self, subscription: StoredSubscription) -> str:
        """As `SourceHost`."""
        if self._term.is_pressed():
            return (
                f"too much of partition {self.partition} waits to be written to its log, or to be"
                " sent (sys_lane shows what, and why): nothing more is taken before it is"
            )
        waiting = self._waiting(subscription)
        if waiting >= READY_MAX:
            return f"its service is busy: {waiting} attempts wait for their turn"
        return ""

    def make_item(self, record: InRecord, facts: SourceFacts) -> IntakeItem | str:
        registry, subscription = self._registry(), facts.subscription
        if self._term.letter_bytes(subscription.id) > LETTER_BYTES_MAX:
            return f"its dead letters have more than {LETTER_BYTES_MAX} bytes: redrive or drop some"
        handler = None
        if subscription.service:
            try:
                handler = find_public_handler(registry, subscription.service, subscription.handler)
            except Refused as refused:
                return refused.refusal.message
        headers = sort_headers(record.headers, handler is None)
        if headers.left_out_count:
            self._node.left_out(subscription, headers.left_out_count)
        return make_sorted_item(record, headers, facts, handler, registry, self.now_ms())

    def moved(self, reading: SourceReading) -> None:
        self._node.moved(reading)

    def held_bytes_max(self) -> int:
        return max(HELD_BYTES_MIN, min(HELD_BYTES_MAX, NODE_BYTES_MAX // self._node.reading_count))

    # for people

    def readings(self) -> list[SourceReading]:
        """What is read now."""
        return list(self._read.values())

    def rows(self) -> list[tuple[SourceRow, SourceReading | None]]:
        """All sources of the partition, with their readings; StoreError if they cannot be read."""
        rows = self._term.sources()
        return [(row, self._read.get(source_key(row.source))) for row in rows]
