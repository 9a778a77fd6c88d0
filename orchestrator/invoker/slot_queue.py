"""The attempts of one deployment that wait for a slot: those that go on come before those that
begin, otherwise first come, first served. Those that a recovery brought back, of which there may be
very many, and new ones alternate. A million may wait: what one costs is counted in bytes."""

from collections import deque
from typing import Final, Generic, TypeVar

import msgspec

from orchestrator.invoker.port import LedPartition

T = TypeVar("T")


_STALE_MIN: Final = 1_000  # fewer are not worth a walk


class SlotWaiter(msgspec.Struct, frozen=True, gc=False):
    """An attempt that waits for its slot."""

    source: LedPartition
    id: bytes
    incarnation: int
    deployment: str
    is_recovered: bool = False


class _Fifo(Generic[T]):
    """First come, first served, by invocation id. An OrderedDict takes twice the memory, and taking
    the first of a dict walks over the holes that earlier ones left, which is quadratic."""

    __slots__ = ("_items", "_order")

    def __init__(self) -> None:
        self._items: dict[bytes, T] = {}
        self._order: deque[bytes] = deque()  # some may have left

    def __len__(self) -> int:
        return len(self._items)

    def add(self, invocation_id: bytes, item: T) -> None:
        self._items[invocation_id] = item
        self._order.append(invocation_id)

    def remove(self, invocation_id: bytes) -> bool:
        if self._items.pop(invocation_id, None) is None:
            return False
        if len(self._order) > 2 * len(self._items) + _STALE_MIN:
            self._order = deque(one for one in dict.fromkeys(self._order) if one in self._items)
        return True

    def take(self) -> T:
        while True:
            item = self._items.pop(self._order.popleft(), None)
            if item is not None:
                return item


class _Queues(Generic[T]):
    """Those that go on, and those that begin."""

    __slots__ = ("begin", "go_on")

    def __init__(self) -> None:
        self.go_on: _Fifo[T] = _Fifo()
        self.begin: _Fifo[T] = _Fifo()

    def __len__(self) -> int:
        return len(self.go_on) + len(self.begin)

    def take(self) -> T:
        return (self.go_on or self.begin).take()


class SlotQueue(Generic[T]):
    """What waits, new and recovered."""

    __slots__ = ("_is_turn_of_recovered", "_new", "_recovered")

    def __init__(self) -> None:
        self._new: _Queues[T] = _Queues()
        self._recovered: _Queues[T] = _Queues()
        self._is_turn_of_recovered = True

    def __len__(self) -> int:
        return len(self._new) + len(self._recovered)

    def add(self, invocation_id: bytes, item: T, goes_on: bool, is_recovered: bool) -> None:
        queues = self._recovered if is_recovered else self._new
        (queues.go_on if goes_on else queues.begin).add(invocation_id, item)

    def remove(self, invocation_id: bytes) -> bool:
        """Whether it was there."""
        for queues in (self._new, self._recovered):
            for queue in (queues.go_on, queues.begin):
                if queue.remove(invocation_id):
                    return True
        return False

    def has_before(self, goes_on: bool, is_recovered: bool) -> bool:
        """Whether one that comes now has others before it."""
        mine, others = self._new, self._recovered
        if is_recovered:
            mine, others = others, mine
        return bool(others or mine.go_on or (mine.begin and not goes_on))

    def take(self) -> T:
        """The next; there must be one."""
        if self._new and self._recovered:
            queues = self._recovered if self._is_turn_of_recovered else self._new
            self._is_turn_of_recovered = not self._is_turn_of_recovered
            return queues.take()
        return (self._new or self._recovered).take()
