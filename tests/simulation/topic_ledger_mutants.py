"""Mutants of what ledgers say (§2.3), and of brokers that are not those they were (§1.8)."""

from typing import Any

from orchestrator.brokers import ledger
from orchestrator.brokers.ledger import ForeignEntry
from orchestrator.brokers.writer_port import ForeignLedger
from orchestrator.intake.wanted import KnownTopic
from orchestrator.outbox.given import Given
from orchestrator.outbox.topics import TopicCarrier
from tests.simulation.mutation import Patch
from tests.simulation.topic_mutants import topic_mutant

# --- a ledger of another log ---


@topic_mutant
def entries_of_another_log_count(patch: Patch) -> None:
    """Rows that were never sent are taken for sent ones."""

    def read_entry(identity: bytes, key: Any, value: Any) -> tuple[int, int]:
        try:
            return before(identity, key, value)  # type: ignore[no-any-return]
        except ForeignEntry as foreign:
            return before(foreign.identity, key, value)  # type: ignore[no-any-return]

    before = patch.set(ledger, "read_entry", read_entry)


@topic_mutant
def entries_of_another_log_are_passed_over(patch: Patch) -> None:
    """Two logs send to the same topics, though nobody took one over."""

    def note_entry(identity: bytes, taken_over: Any, *entry: Any) -> None:
        try:
            before(identity, taken_over, *entry)
        except ForeignEntry:
            pass

    before = patch.set(ledger, "note_entry", note_entry)


@topic_mutant
def entries_of_a_log_that_was_taken_over_count(patch: Patch) -> None:
    def note_entry(identity: bytes, taken_over: Any, key: Any, value: Any, last: Any) -> None:
        before(identity, taken_over, key, value, last)
        for log in taken_over:
            try:
                before(log, (identity,), key, value, last)
            except ForeignEntry:
                pass

    before = patch.set(ledger, "note_entry", note_entry)


@topic_mutant
def a_take_over_is_not_heard_of(patch: Patch) -> None:
    def note_entry(identity: bytes, taken_over: Any, *entry: Any) -> None:
        before(identity, (), *entry)

    before = patch.set(ledger, "note_entry", note_entry)


@topic_mutant
def who_was_refused_a_ledger_does_not_come_back(patch: Patch) -> None:
    def opened(self: TopicCarrier, waiting: Given, found: Any) -> None:
        if isinstance(found, ForeignLedger):
            self._close_writer()
        else:
            before(self, waiting, found)

    before = patch.set(TopicCarrier, "_opened", opened)


# --- a ledger that is ahead of what a lane has given ---


@topic_mutant
def a_ledger_that_is_ahead_is_believed(patch: Patch) -> None:
    """All rows that there are count as sent."""

    def compare(self: TopicCarrier, given: Given, last: int) -> None:
        assert given.lane is not None
        before(self, given, min(last, given.lane.given))

    before = patch.set(TopicCarrier, "_compare", compare)


@topic_mutant
def a_ledger_that_is_ahead_is_passed_over(patch: Patch) -> None:
    def compare(self: TopicCarrier, given: Given, last: int) -> None:
        assert given.lane is not None
        if last <= given.lane.given:
            before(self, given, last)

    before = patch.set(TopicCarrier, "_compare", compare)


@topic_mutant
def a_ledger_that_is_ahead_stops_all_lanes(patch: Patch) -> None:
    def compare(self: TopicCarrier, given: Given, last: int) -> None:
        before(self, given, last)
        if given.lane is not None and last > given.lane.given:
            for one in self._lanes.values():
                one.is_held = True

    before = patch.set(TopicCarrier, "_compare", compare)


# --- brokers of another Kafka cluster ---


@topic_mutant
def topics_of_another_kafka_cluster_are_read(patch: Patch) -> None:
    """They count as topics that were made anew."""
    patch.set(KnownTopic, "is_of_another", lambda self, kafka_id: False)
