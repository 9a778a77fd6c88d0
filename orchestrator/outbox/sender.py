"""Sends the outbox of one partition: each lane in order and by batches, again until it is taken.

One batch is under way per lane, so a lane that is stuck holds up no other. After any failure the
lane begins with the first row that is not known to be taken. How rows travel is a carrier's
business; here are order, pace, retries and the trimming of what has been taken.
"""

from collections.abc import Callable
from functools import partial

from orchestrator.machine.lanes import produce_bytes
from orchestrator.machine.letters import letter_bytes
from orchestrator.model.invoke import Invoke, invoke_bytes
from orchestrator.model.lanes import Lane
from orchestrator.model.limits import TURN_MESSAGE_BYTES
from orchestrator.model.records import Completion, OutboxItem, Signal
from orchestrator.model.topic_records import DeadLetter, Produce
from orchestrator.outbox.port import RETRY_FIRST_S, RETRY_MAX_S, Carrier, LaneRows
from orchestrator.runtime.backoff import backoff_s
from orchestrator.runtime.scheduler import Scheduler, Timer
from orchestrator.store.port import StoreError

ITEM_OVERHEAD_BYTES = 200
ADVANCE_ROWS = 100  # rows that were taken, before they are trimmed at once: as many as one transfer
"""Rows that are trimmed before the next spill are never written to the store."""
ADVANCE_S = 1.0  # fewer are trimmed this long after

Advance = Callable[[tuple[tuple[int, int], ...]], None]
"""Proposes to trim: pairs of (lane, number of the last row taken)."""


class _Sending:
    """How far one lane has been sent: rows up to `taken` are at the destination."""

    __slots__ = ("failures", "is_busy", "is_trimmed_here", "reported", "taken")

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.reported = taken
        self.is_busy = False
        self.is_trimmed_here = True
        self.failures = 0


class OutboxSender:
    """The outbox of one partition led here; a new one for each term of leadership."""

    def __init__(
        self,
        rows: LaneRows,
        carrier_of: Callable[[Lane], Carrier],
        advance: Advance,
        scheduler: Scheduler,
        lost: Callable[[StoreError], None],
    ) -> None:
        self._rows = rows
        self._carrier_of = carrier_of
        self._advance = advance
        self._scheduler = scheduler
        self._lost = lost  # called when the rows cannot be read; another sender goes on then
        self._sending: dict[int, _Sending] = {}  # by lane
        self._unreported_count = 0  # rows of all lanes that were taken and not yet trimmed
        self._trim: Timer | None = None
        self._stopped = False

    def send(self, number: int) -> None:
        """Send the rows of this lane, if there are any."""
        sending = self._sending.get(number)
        if sending is None:
            lane = self._rows.lane(number)
            if lane is None:
                return
            sending = self._sending[number] = _Sending(lane.trimmed)
        if not sending.is_busy:
            self._send_next(number, sending)

    def stop(self) -> None:
        """The partition is not led here any more."""
        self._stopped = True
        if self._trim is not None:
            self._trim.cancel()
            self._trim = None

    def _send_next(self, number: int, sending: _Sending) -> None:
        lane = self._rows.lane(number)
        if lane is None or lane.is_closed:
            return
        first = sending.taken + 1
        if first > lane.given:
            return
        carrier = self._carrier_of(lane)
        sending.is_busy = True
        sending.is_trimmed_here = not carrier.trims
        carrier.carry(
            number,
            lane,
            first,
            partial(self._read, number, sending, first, carrier.rows_max),
            partial(self._settled, number, sending),
        )

    def _read(
        self, number: int, sending: _Sending, first: int, count_max: int
    ) -> tuple[OutboxItem, ...]:
        """As `Rows`."""
        lane = self._rows.lane(number)
        assert lane is not None, "a lane with rows stays"
        try:
            return self._items(number, first, min(lane.given, first + count_max - 1))
        except StoreError as error:
            sending.is_busy = False
            self._lost(error)
            return ()

    def _items(self, lane: int, first: int, last: int) -> tuple[OutboxItem, ...]:
        """Rows from `first` on, up to about a message's size, at least one."""
        items: list[OutboxItem] = []
        size_bytes = 0
        for number in range(first, last + 1):
            item = self._rows.item(lane, number)
            assert item is not None, f"row {number} of lane {lane} is owed and gone"
            size_bytes += _item_bytes(item)
            if items and size_bytes > TURN_MESSAGE_BYTES:
                break
            items.append(item)
        return tuple(items)

    def _settled(self, number: int, sending: _Sending, upto: int) -> None:
        if self._stopped:
            return
        if upto <= sending.taken:
            delay_s = backoff_s(RETRY_FIRST_S, RETRY_MAX_S, sending.failures)
            sending.failures += 1
            self._scheduler.call_later(delay_s, lambda: self._again(number, sending))
            return
        sending.failures = 0
        count, sending.taken = upto - sending.taken, upto
        if sending.is_trimmed_here:
            self._unreported_count += count
            self._trim_soon()
        else:
            sending.reported = upto
        self._again(number, sending)

    def _again(self, number: int, sending: _Sending) -> None:
        sending.is_busy = False
        if not self._stopped:
            self._send_next(number, sending)

    def _trim_soon(self) -> None:
        if self._unreported_count >= ADVANCE_ROWS:
            self._report()
        elif self._trim is None:
            self._trim = self._scheduler.call_later(ADVANCE_S, self._report)

    def _report(self) -> None:
        """Propose to trim: at most ADVANCE_ROWS rows by one record, the rest by the next."""
        if self._trim is not None:
            self._trim.cancel()
            self._trim = None
        left = ADVANCE_ROWS
        upto = []
        for number, sending in sorted(self._sending.items()):
            count = min(left, sending.taken - sending.reported)
            if count:
                sending.reported += count
                left -= count
                upto.append((number, sending.reported))
        self._unreported_count -= ADVANCE_ROWS - left
        if upto:
            self._advance(tuple(upto))
        if self._unreported_count:
            delay_s = 0 if self._unreported_count >= ADVANCE_ROWS else ADVANCE_S
            self._trim = self._scheduler.call_later(delay_s, self._report)


def _item_bytes(item: OutboxItem) -> int:
    """About what an item adds to a message."""
    if isinstance(item, Invoke):
        return ITEM_OVERHEAD_BYTES + invoke_bytes(item)
    if isinstance(item, Produce):
        return produce_bytes(item)
    if isinstance(item, DeadLetter):
        return letter_bytes(item)
    value = None
    if isinstance(item, Completion):
        value = item.outcome
    elif isinstance(item, Signal):
        value = item.value
    return ITEM_OVERHEAD_BYTES + (len(value) if isinstance(value, bytes) else 0)
