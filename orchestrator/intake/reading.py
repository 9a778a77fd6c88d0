"""One source that is read: from its position in state on, no faster than its records are taken.

What is read waits here until it may be proposed: a record for each portion, a few under way. When
the applied position is not what was expected, everything begins again at that position.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from orchestrator.brokers.reader_port import (
    InRecord,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
    TopicReader,
    TopicReading,
)
from orchestrator.intake.items import SourceFacts
from orchestrator.intake.read_status import ACTIVE, RETRYING, STOPPED, ReadStatus
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import SourceRow
from orchestrator.model.topic_records import DeadLetter, Intake
from orchestrator.model.topics import header_bytes
from orchestrator.registry.stored_topics import StoredSubscription
from perdure.wire.ids import invocation_id_to_str

PORTION_ITEMS: Final = 200
PORTION_BYTES: Final = 512 << 10  # one record alone may be larger
UNDER_WAY_MAX: Final = 4  # portions that are not applied
HELD_RECORDS_MAX: Final = 2_000  # the reader begins anew at half of it
RECORD_BYTES: Final = 200  # of a record, beside what is in it
GAP_S: Final = 1.0  # a gap at the end of a topic is recorded after this time
PRESSED_S: Final = 0.02
GONE_S: Final = 5.0  # pause before a topic that seems to be gone is looked for again
_BEGIN_AGAIN: Final = (ReadTrouble.TOPIC_GONE, ReadTrouble.NOT_TAKEN)

IntakeItem = Invoke | DeadLetter


class SourceHost(Protocol):
    """What a source needs of the term it is read for."""

    epoch: int

    def now_ms(self) -> int: ...

    def room(self, subscription: StoredSubscription) -> int:
        """Backpressure: how many records may be taken beyond those that are applied."""
        ...

    def held_back(self, subscription: StoredSubscription) -> str:
        """Why there is no room, for people; "" if there is."""
        ...

    def propose(self, record: Intake) -> None: ...

    def call_later(self, delay_s: float, call: Callable[[], None]) -> None: ...

    def make_item(self, record: InRecord, facts: SourceFacts) -> IntakeItem | str:
        """An item; a text if no record of the source can be used now, and why."""
        ...

    def held_bytes_max(self) -> int:
        """Bytes that the waiting records of one source may hold."""
        ...

    def moved(self, reading: "SourceReading") -> None:
        """The committed offset has changed since the last call."""
        ...


class SourceReading:
    """Between `begin` and `stop`."""

    def __init__(self, key: bytes, host: SourceHost, facts: SourceFacts) -> None:
        self.key = key
        self.facts = facts
        self._problem: ReadProblem | None = None  # of the brokers
        self._refusal = ""  # why nothing can be made of any record now
        self.gap: ReadProblem | None = None  # what is missing from the position on
        self._host = host
        self.reader: TopicReader | None = None
        self._reading: TopicReading | None = None
        self._row: SourceRow | None = None
        self._records: deque[InRecord] = deque()
        self._held_bytes = 0
        self._next = 0  # offset the next portion begins at
        self._read_upto = 0
        self._leader_epoch = -1
        self._under_way: deque[tuple[int, int, int]] = deque()  # (upto, items, slots) of portions
        self._is_paused = False
        self._is_waiting = False  # for a timer
        self._is_gap_due = False
        self._is_over = False
        self._committed = -1  # the committed offset that the host was told last

    def begin(self, reader: TopicReader, row: SourceRow) -> None:
        source = self.facts.source
        self.reader = reader
        self._follow(row)
        self._reset(row)
        place = ReadPlace(source.topic, source.topic_id, source.partition)
        self._reading = reader.open(
            place, row.position, row.leader_epoch, self._read, self._troubled
        )

    def stop(self) -> None:
        self._is_over = True
        self._records.clear()
        if self._reading is not None:
            self._reading.close()

    def _reset(self, row: SourceRow) -> None:
        self._records.clear()
        self._under_way.clear()
        self._held_bytes = 0
        self._next = self._read_upto = row.position
        self._leader_epoch = row.leader_epoch
        self.gap = None
        self._refusal = ""

    def look(self, row: SourceRow) -> None:
        """The row has changed, or settings have: go on."""
        self._follow(row)
        self._go_on()

    def applied(self, record: Intake, row: SourceRow) -> None:
        """A portion of this term is applied."""
        self._follow(row)
        if not self._under_way or self._under_way[0][0] != record.upto:
            return  # proposed before the reading began again
        self._under_way.popleft()
        # Portions in one append are all applied before the first of them is reported here.
        is_dropped = row.position < record.upto
        if is_dropped or (not self._under_way and row.position != self._next):
            self._begin_again(row)
        self._go_on()

    def _follow(self, row: SourceRow) -> None:
        self._row = row
        committed = row.live[0] if row.live else row.position
        if committed != self._committed:
            self._committed = committed
            self._host.moved(self)

    def committed(self) -> tuple[str, int, int] | None:
        """As the `MovedSource` port."""
        source = self.facts.source
        return None if self._is_over else (source.topic, source.partition, self._committed)

    def _begin_again(self, row: SourceRow) -> None:
        self._reset(row)
        if self._reading is not None:
            self._reading.seek(row.position, row.leader_epoch)

    def pass_gap(self) -> None:
        """Go on behind a gap, as an operator asked."""
        gap = self.gap
        if gap is not None and gap.low > self._read_upto:
            self.gap = self._problem = None
            self._read_upto, self._leader_epoch = gap.low, -1  # read before: proposed first
            if self._reading is not None:
                self._reading.seek(gap.low, -1)
            self._go_on()

    # of the reading

    def _read(self, batch: ReadBatch) -> None:
        if self._is_over or batch.first != self._read_upto:
            return
        self._problem = None
        self._records.extend(batch.records)
        self._held_bytes += sum(map(_size, batch.records))
        self._read_upto = batch.upto
        self._leader_epoch = batch.leader_epoch
        self._go_on()

    def _troubled(self, problem: ReadProblem | None) -> None:
        self._problem = problem
        if problem is None:
            return
        if problem.trouble is ReadTrouble.OUT_OF_RANGE:
            self.gap = problem
        elif problem.trouble in _BEGIN_AGAIN:
            self._host.call_later(GONE_S, self._look_again)

    def _look_again(self) -> None:
        """The source is still wanted: begin again, in case the broker that said the topic is gone
        was late, or what could not be taken can be now."""
        problem = self._problem
        is_out = problem is not None and problem.trouble in _BEGIN_AGAIN
        if is_out and not self._is_over and self._row is not None:
            self._begin_again(self._row)

    # for people

    def status(self) -> ReadStatus:
        """Whether it is read, and why not."""
        problem = self._problem
        if problem is not None:
            is_over = problem.trouble in (ReadTrouble.OUT_OF_RANGE, ReadTrouble.TOPIC_GONE)
            return ReadStatus(STOPPED if is_over else RETRYING, problem.message)
        if self._refusal:
            return ReadStatus(STOPPED, self._refusal)
        if not self._records:
            return ReadStatus(ACTIVE)
        row, subscription = self._row, self.facts.subscription
        if row is not None and 0 < subscription.max_in_flight <= len(row.live):
            return ReadStatus(ACTIVE, _slots_taken(row))
        return ReadStatus(ACTIVE, self._host.held_back(subscription))

    # proposing

    def _go_on(self) -> None:
        if self._is_over or self._row is None:
            return
        while self._records and len(self._under_way) < UNDER_WAY_MAX:
            room = self._host.room(self.facts.subscription)
            room -= sum(items for _, items, _ in self._under_way)
            if room <= 0:
                self._look_later(PRESSED_S)
                break
            if not self._take_portion(room):
                break
        if not self._records and self._read_upto > self._next:
            self._pass_gap_later()
        self._hold_back()

    def _free_slots(self) -> int:
        limit = self.facts.subscription.max_in_flight
        assert self._row is not None
        if not limit:
            return PORTION_ITEMS
        return limit - len(self._row.live) - sum(slots for _, _, slots in self._under_way)

    def _take_portion(self, room: int) -> bool:
        """Propose the next records, at most `room`; False if none may be now."""
        count_max = min(PORTION_ITEMS, room, self._free_slots())
        items: list[IntakeItem] = []
        upto = self._next
        size_bytes = slots = 0
        while self._records and len(items) < count_max:
            record = self._records[0]
            if items and size_bytes + _size(record) > PORTION_BYTES:
                break
            item = self._host.make_item(record, self.facts)
            if isinstance(item, str):
                self._refusal = item
                self._look_later(GAP_S)
                break
            self._refusal = ""
            self._records.popleft()
            items.append(item)
            size_bytes += _size(record)
            upto = record.offset + 1
            slots += type(item) is Invoke and item.origin is not None and item.origin.holds_slot
        if not items:
            return False
        self._held_bytes -= size_bytes
        self._propose(upto if self._records else self._read_upto, tuple(items), slots)
        return True

    def _propose(self, upto: int, items: tuple[IntakeItem, ...], slots: int) -> None:
        host, facts = self._host, self.facts
        first, self._next = self._next, upto
        self._under_way.append((upto, len(items), slots))
        host.propose(
            Intake(
                host.epoch,
                host.now_ms(),
                facts.source,
                facts.generation,
                first,
                upto,
                self._leader_epoch,
                items,
            )
        )

    def _pass_gap_later(self) -> None:
        """Wait before a gap without records is recorded: each Kafka transaction ends with a marker,
        and one record of the log for each marker would be too many."""
        if not self._is_gap_due:
            self._is_gap_due = True
            self._host.call_later(GAP_S, self._gap_due)

    def _gap_due(self) -> None:
        self._is_gap_due = False
        if self._is_over or self._records or self._read_upto <= self._next:
            return
        if len(self._under_way) < UNDER_WAY_MAX:
            self._propose(self._read_upto, (), 0)

    def _look_later(self, delay_s: float) -> None:
        if not self._is_waiting:
            self._is_waiting = True
            self._host.call_later(delay_s, self._waited)

    def _waited(self) -> None:
        self._is_waiting = False
        self._go_on()

    def _hold_back(self) -> None:
        part = 2 if self._is_paused else 1
        full = len(self._records) > HELD_RECORDS_MAX // part
        full = full or self._held_bytes > self._host.held_bytes_max() // part
        if full != self._is_paused and self._reading is not None:
            self._is_paused = full
            (self._reading.pause if full else self._reading.resume)()


def _slots_taken(row: SourceRow) -> str:
    """What holds the slots of a source, for people."""
    count, first = len(row.live), row.live[0]
    held = f"max_in_flight: {count} of its records are under way, the first is offset {first}"
    if not row.paused:
        return held
    count, first = len(row.paused), min(row.paused)
    name = invocation_id_to_str(row.paused[first])
    return f"{held}; {count} of them paused: resume, cancel or kill {name} (offset {first})"


def _size(record: InRecord) -> int:
    """About the bytes it has in an Intake: key and headers as they came, and as the handler gets
    them."""
    held = RECORD_BYTES + 64 * len(record.headers) + len(record.value or b"")
    return held + 2 * (len(record.key or b"") + header_bytes(record.headers))
