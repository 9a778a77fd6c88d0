"""The attempts of one deployment that wait for a slot: those that go on come before those that
begin, otherwise first come, first served. Those that a recovery brought back, of which there may be
very many, and new ones alternate. A million may wait: all but the first `HELD_MAX` of each kind are
bytes in an overflow."""

from collections import deque
from typing import Final

import msgspec

from orchestrator.invoker.overflow import Overflow
from orchestrator.invoker.port import LedPartition

HELD_MAX: Final = 1_000
_GONE_MIN: Final = 1_000  # fewer that left are not removed yet


class SlotWaiter(msgspec.Struct, gc=False, eq=False):
    """An attempt that waits for its slot."""

    source: LedPartition
    id: bytes
    incarnation: int
    attempt: int  # the number it will get; a later one by then: it waited twice
    deployment: str
    goes_on: bool = False  # it has entries already
    is_recovered: bool = False
    is_gone: bool = False  # it does not wait any more


Index = dict[bytes, SlotWaiter]
"""Those that are held as they are, by invocation id."""


class _Fifo:
    """First come, first served."""

    __slots__ = ("_held", "_held_count", "_kind", "_overflow", "count")

    def __init__(self, deployment: str, goes_on: bool, is_recovered: bool) -> None:
        self._kind = (deployment, goes_on, is_recovered)  # of all of them
        self._held: deque[SlotWaiter] = deque()  # some may have left
        self._held_count = 0
        self._overflow: Overflow | None = None
        self.count = 0  # of all: asked for with every attempt

    def add(self, waiter: SlotWaiter, index: Index) -> None:
        if self._overflow is not None or self._held_count >= HELD_MAX:
            if self._overflow is None:
                self._overflow = Overflow()
            self._overflow.add(waiter.source, waiter.id, waiter.incarnation, waiter.attempt)
        else:
            self._hold(waiter, index)
        self.count += 1

    def _hold(self, waiter: SlotWaiter, index: Index) -> None:
        index[waiter.id] = waiter
        self._held.append(waiter)
        self._held_count += 1

    def remove(self, waiter: SlotWaiter, index: Index) -> None:
        """One that is held."""
        waiter.is_gone = True
        del index[waiter.id]
        self._held_count -= 1
        self.count -= 1
        if len(self._held) > 2 * self._held_count + _GONE_MIN:
            self._held = deque(one for one in self._held if not one.is_gone)

    def forget(self, source: LedPartition) -> None:
        """Those of a partition that are not held."""
        if self._overflow is not None:
            before = self._overflow.count
            self._overflow.forget(source)
            self.count -= before - self._overflow.count
            self._drop_empty()

    def take(self, index: Index) -> SlotWaiter | None:
        """The next one. None if those that were counted have all left."""
        while not self._held_count and self._overflow is not None:
            self._refill(self._overflow, index)
        while self._held:
            waiter = self._held.popleft()
            if not waiter.is_gone:
                del index[waiter.id]
                self._held_count -= 1
                self.count -= 1
                return waiter
        return None

    def _refill(self, overflow: Overflow, index: Index) -> None:
        source, owed = overflow.take_page()
        for one in owed:
            if one[0] not in index:
                self._hold(SlotWaiter(source, *one, *self._kind), index)
            else:
                self.count -= 1
        self._drop_empty()

    def _drop_empty(self) -> None:
        if self._overflow is not None and not self._overflow.count:
            self._overflow = None


class _Queues:
    """Those that go on, and those that begin."""

    __slots__ = ("begin", "go_on")

    def __init__(self, deployment: str, is_recovered: bool) -> None:
        self.go_on = _Fifo(deployment, True, is_recovered)
        self.begin = _Fifo(deployment, False, is_recovered)

    @property
    def count(self) -> int:
        return self.go_on.count + self.begin.count

    def take(self, index: Index) -> SlotWaiter | None:
        return (self.go_on if self.go_on.count else self.begin).take(index)


class SlotQueue:
    """What waits of one deployment, new and recovered."""

    __slots__ = ("_index", "_is_turn_of_recovered", "_new", "_recovered")

    def __init__(self, deployment: str, index: Index) -> None:
        self._index = index
        self._new = _Queues(deployment, False)
        self._recovered = _Queues(deployment, True)
        self._is_turn_of_recovered = True

    def __len__(self) -> int:
        return self._new.count + self._recovered.count

    def _fifo(self, waiter: SlotWaiter) -> _Fifo:
        queues = self._recovered if waiter.is_recovered else self._new
        return queues.go_on if waiter.goes_on else queues.begin

    def add(self, waiter: SlotWaiter) -> None:
        self._fifo(waiter).add(waiter, self._index)

    def remove(self, waiter: SlotWaiter) -> None:
        """One that is held."""
        self._fifo(waiter).remove(waiter, self._index)

    def forget(self, source: LedPartition) -> None:
        """Those of a partition that are not held."""
        for queues in (self._new, self._recovered):
            queues.go_on.forget(source)
            queues.begin.forget(source)

    def has_before(self, goes_on: bool, is_recovered: bool) -> bool:
        """Whether one that comes now has others before it."""
        mine, others = self._new, self._recovered
        if is_recovered:
            mine, others = others, mine
        if mine.go_on.count or (mine.begin.count and not goes_on):
            return True
        return others.count > 0

    def take(self) -> SlotWaiter | None:
        """The next one. None if those that were counted have all left."""
        new, recovered = self._new, self._recovered
        if not recovered.count:
            return new.take(self._index)
        if new.count:
            is_turn = self._is_turn_of_recovered
            self._is_turn_of_recovered = not is_turn
            return (recovered if is_turn else new).take(self._index)
        return recovered.take(self._index)
