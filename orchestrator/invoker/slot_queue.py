"""The attempts of one deployment that wait for a slot: those that go on come before those that
begin, otherwise first come, first served. Those that a recovery brought back, of which there may be
very many, and new ones alternate. Whoever stops waiting leaves nothing behind."""

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
    is_recovered: bool = False


class _Queues(Generic[T]):
    """Two queues by invocation id. OrderedDict: taking the first of a dict walks over the holes
    that earlier ones left, which is quadratic."""

    __slots__ = ("begin", "go_on")

    def __init__(self) -> None:
        self.go_on: OrderedDict[bytes, T] = OrderedDict()
        self.begin: OrderedDict[bytes, T] = OrderedDict()

    def __len__(self) -> int:
        return len(self.go_on) + len(self.begin)

    def take(self) -> T:
        return (self.go_on or self.begin).popitem(last=False)[1]


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
        (queues.go_on if goes_on else queues.begin)[invocation_id] = item

    def remove(self, invocation_id: bytes) -> bool:
        """Whether it was there."""
        for queues in (self._new, self._recovered):
            for queue in (queues.go_on, queues.begin):
                if queue.pop(invocation_id, None) is not None:
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
