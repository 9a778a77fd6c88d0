"""The attempts of one deployment that wait for a slot: those that go on come before those that
begin, otherwise first come, first served. Whoever stops waiting leaves nothing behind."""

from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

from orchestrator.invoker.port import LedPartition

T = TypeVar("T")


class SlotWaiter(NamedTuple):
    """An attempt that waits for its slot."""

    source: LedPartition
    id: bytes
    incarnation: int
    deployment: str


class SlotQueue(Generic[T]):
    """Two queues by invocation id. OrderedDict: taking the first of a dict walks over the holes
    that earlier ones left, which is quadratic."""

    __slots__ = ("_begin", "_go_on")

    def __init__(self) -> None:
        self._go_on: OrderedDict[bytes, T] = OrderedDict()
        self._begin: OrderedDict[bytes, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self._go_on) + len(self._begin)

    def add(self, invocation_id: bytes, item: T, goes_on: bool) -> None:
        (self._go_on if goes_on else self._begin)[invocation_id] = item

    def remove(self, invocation_id: bytes) -> bool:
        """Whether it was there."""
        for queue in (self._go_on, self._begin):
            if queue.pop(invocation_id, None) is not None:
                return True
        return False

    def has_before(self, goes_on: bool) -> bool:
        """Whether one that comes now has others before it."""
        return bool(self._go_on or (self._begin and not goes_on))

    def take(self) -> T:
        """The next; there must be one."""
        return (self._go_on or self._begin).popitem(last=False)[1]
