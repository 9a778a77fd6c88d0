"""Carries the outbox of one partition to the others: numbered rows, in order, resent until taken.

One Transfer is under way per target. After any failure it starts again from the first row that
is not acknowledged: the target drops what it has, so that each row counts once.
"""

from collections.abc import Callable
from typing import Protocol

from orchestrator.model.invoke import Invoke
from orchestrator.model.limits import TURN_MESSAGE_BYTES
from orchestrator.model.records import Completion, Item, Signal, Transfer
from orchestrator.model.rows import PartitionRow
from orchestrator.runtime.scheduler import Scheduler, Timer
from orchestrator.store.port import StoreError

ITEMS_MAX = 1_000
ITEM_OVERHEAD_BYTES = 200
ADVANCE_ROWS = 1_000  # rows the other side has, before they are trimmed at once
ADVANCE_S = 1.0  # else they are trimmed this long after
RETRY_FIRST_S = 0.05
RETRY_MAX_S = 2.0


class Rows(Protocol):
    """The outbox of the partition, as its state has it."""

    @property
    def partition_row(self) -> PartitionRow: ...

    def item(self, target: int, number: int) -> Item | None: ...


Deliver = Callable[[int, Transfer, Callable[[bool], None]], None]
"""(target, transfer, called once with whether it is in the target's log)."""
Advance = Callable[[tuple[tuple[int, int], ...]], None]


class _Lane:
    """What is known of one target: numbers up to `taken` are in its log."""

    __slots__ = ("failures", "is_busy", "reported", "taken")

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.reported = taken
        self.is_busy = False
        self.failures = 0


class OutboxSender:
    """The outbox of one partition led here; a new one for each term of leadership."""

    def __init__(
        self,
        source: int,
        rows: Rows,
        deliver: Deliver,
        advance: Advance,
        scheduler: Scheduler,
        lost: Callable[[StoreError], None],
    ) -> None:
        self._source = source
        self._rows = rows
        self._deliver = deliver
        self._advance = advance
        self._scheduler = scheduler
        self._lost = lost  # told when the rows cannot be read; another sender goes on then
        self._lanes: dict[int, _Lane] = {}
        self._trim: Timer | None = None
        self._stopped = False

    def send(self, target: int) -> None:
        """There are rows for this target, perhaps."""
        lane = self._lanes.get(target)
        if lane is None:
            taken = self._rows.partition_row.acknowledged.get(target, 0)
            lane = self._lanes[target] = _Lane(taken)
        if not lane.is_busy:
            self._send_next(target, lane)

    def stop(self) -> None:
        """The partition is not led here any more."""
        self._stopped = True
        if self._trim is not None:
            self._trim.cancel()
            self._trim = None

    def _send_next(self, target: int, lane: _Lane) -> None:
        try:
            items = self._items(target, lane.taken + 1)
        except StoreError as error:
            self._lost(error)
            return
        if not items:
            return
        lane.is_busy = True
        last = lane.taken + len(items)
        transfer = Transfer(self._source, lane.taken + 1, items)
        self._deliver(target, transfer, lambda taken: self._settled(target, lane, last, taken))

    def _items(self, target: int, first: int) -> tuple[Item, ...]:
        """Rows from `first` on, up to about a message's size; at least one, if there is one."""
        items: list[Item] = []
        size_bytes = 0
        upto = self._rows.partition_row.outbound.get(target, 0)
        for number in range(first, min(upto, first + ITEMS_MAX - 1) + 1):
            item = self._rows.item(target, number)
            assert item is not None, f"row {number} for partition {target} is owed and gone"
            size_bytes += _item_bytes(item)
            if items and size_bytes > TURN_MESSAGE_BYTES:
                break
            items.append(item)
        return tuple(items)

    def _settled(self, target: int, lane: _Lane, last: int, taken: bool) -> None:
        if self._stopped:
            return
        if not taken:
            delay_s = min(RETRY_MAX_S, RETRY_FIRST_S * 2 ** min(lane.failures, 10))
            lane.failures += 1
            self._scheduler.call_later(delay_s, lambda: self._again(target, lane))
            return
        lane.failures = 0
        lane.taken = last
        self._note_taken()
        self._again(target, lane)

    def _again(self, target: int, lane: _Lane) -> None:
        lane.is_busy = False
        if not self._stopped:
            self._send_next(target, lane)

    def _note_taken(self) -> None:
        unreported = sum(lane.taken - lane.reported for lane in self._lanes.values())
        if unreported >= ADVANCE_ROWS:
            self._report()
        elif self._trim is None:
            self._trim = self._scheduler.call_later(ADVANCE_S, self._report)

    def _report(self) -> None:
        if self._trim is not None:
            self._trim.cancel()
            self._trim = None
        upto = []
        for target, lane in sorted(self._lanes.items()):
            if lane.reported < lane.taken:
                lane.reported = lane.taken
                upto.append((target, lane.taken))
        if upto:
            self._advance(tuple(upto))


def _item_bytes(item: Item) -> int:
    """About what an item adds to a message."""
    if isinstance(item, Invoke):
        return ITEM_OVERHEAD_BYTES + len(item.body)
    value = None
    if isinstance(item, Completion):
        value = item.outcome
    elif isinstance(item, Signal):
        value = item.value
    return ITEM_OVERHEAD_BYTES + (len(value) if isinstance(value, bytes) else 0)
