"""Futures of a handler: awaitable once, composable, and settled in the order of the journal."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

from perdure.errors import DurableTimeout
from perdure.failures import terminal
from perdure.misuse import misuse
from perdure.replay.slot import (
    FAILURE,
    LOCAL,
    LOCAL_ERROR,
    PENDING,
    STATE_KEYS,
    VALUE,
    VOID,
    Slot,
)
from perdure.wire import codes

T = TypeVar("T")
U = TypeVar("U")


NOBODYS: Final = 0
"""The attempt waits, and code that runs is not the handler's: a step's, or a stranger's."""
FIBERS: Final = 1
"""The handler runs, or a member of one of its groups."""
TASKS: Final = 2
"""A task of asyncio runs that the handler has started."""


class Owner(Protocol):
    """The attempt that futures belong to."""

    def sleep_for(self, delta: timedelta, name: str = "") -> Future[None]:
        """Start a durable timer."""

    turn: int
    """Whose turn it is: NOBODYS, FIBERS or TASKS."""

    def block(self, future: Future[Any]) -> None:
        """Wait for a future in the thread of a plain `def` handler."""

    def cross(self, future: Future[Any]) -> Generator[Any, None, None]:
        """Wait for a future in a task of asyncio."""


class Future(Slot, Generic[T]):
    """A result to come, from the journal or from the server. Await it, once.

    `decode` makes the value of its bytes; `empty` is the value where there are none.
    """

    __slots__ = ("_awaited", "decode", "empty", "owner")

    def __init__(
        self, owner: Owner, decode: Callable[[bytes], T] | None = None, empty: Any = None
    ) -> None:
        self.kind = PENDING
        self.raw = None
        self.number = 0
        self.waiters = None
        self.owner = owner
        self.decode = decode
        self.empty = empty
        self._awaited = False

    def __await__(self) -> Generator[Any, None, T]:
        self.take_once()
        if self.kind == PENDING:
            turn = self.owner.turn
            if turn == FIBERS:
                yield self
            elif turn == TASKS:
                yield from self.owner.cross(self)
            else:
                raise misuse("this future is awaited outside the handler that it belongs to")
        return self.value()

    @property
    def taken(self) -> bool:
        """Whether it was awaited itself."""
        return self._awaited

    @property
    def forgotten(self) -> bool:
        """Whether nobody has ever waited for it, alone or with others. Whoever waits, or waited
        until another future of a race came first, leaves a list."""
        return self.kind == PENDING and self.waiters is None and not self._awaited

    def take_once(self) -> None:
        """Take note that the future is awaited; raises Misuse the second time."""
        if self._awaited:
            raise misuse("this future was awaited before; keep its result instead")
        self._awaited = True

    def result(self) -> T:
        """Wait for the result in a plain `def` handler; elsewhere return it if it is there."""
        self.take_once()
        if self.kind == PENDING:
            self.owner.block(self)
        return self.value()

    @property
    def done(self) -> bool:
        """Whether the result is there; it changes only while the handler waits for something."""
        return self.kind != PENDING

    def value(self) -> T:
        """The result, or the exception, of a future that is done."""
        kind = self.kind
        if kind == VALUE:
            return self.decode(self.raw) if self.decode is not None else self.raw
        if kind == VOID:
            return self.empty  # type: ignore[no-any-return]
        if kind == FAILURE:
            raise terminal(self.raw)
        if kind == LOCAL_ERROR:
            raise self.raw
        if kind == STATE_KEYS:
            return [key.decode() for key in self.raw]  # type: ignore[return-value]
        return self.raw  # type: ignore[no-any-return]

    def timeout(self, delta: timedelta) -> Future[T]:
        """The same result, or DurableTimeout once a durable timer has ended."""
        return Timeout(self.owner, self, self.owner.sleep_for(delta))

    def map(self, fn: Callable[[T], U]) -> Future[U]:
        """What `fn`, which must be deterministic, makes of the result; failures pass by it."""
        return Mapped(self.owner, self, fn)


class Done:
    """What calls return that have nothing to wait for; to await it is as good as not to."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


DONE: Final = Done()


class Sleep(Future[None]):
    """A durable timer."""

    __slots__ = ()


class Combined(Future[T]):
    """A future over others; `combinator` is how the server is told of it."""

    __slots__ = ("children", "left")
    combinator: ClassVar[int] = codes.COMBINATOR_UNKNOWN

    def __init__(self, owner: Owner, children: Sequence[Future[Any]]) -> None:
        super().__init__(owner)
        self.children = children
        self.left = len(children)
        for child in children:
            if child.kind == PENDING:
                child.wait(self)
            elif self.kind == PENDING:
                self.settled(child)

    def settle(self, kind: int, raw: Any) -> None:
        """Take the result; children that are not done need not tell of it any more."""
        for child in self.children:
            if child.kind == PENDING and child.waiters is not None and self in child.waiters:
                child.waiters.remove(self)
        super().settle(kind, raw)

    def settled(self, handle: Slot) -> None:
        """Take in that a child is done."""
        raise NotImplementedError


class Mapped(Combined[T]):
    """See Future.map."""

    __slots__ = ("_fn",)

    def __init__(self, owner: Owner, child: Future[U], fn: Callable[[U], T]) -> None:
        self._fn = fn
        super().__init__(owner, (child,))

    def settled(self, handle: Slot) -> None:
        try:
            self.settle(LOCAL, self._fn(self.children[0].value()))
        except Exception as error:  # noqa: BLE001
            self.settle(LOCAL_ERROR, error)


class Timeout(Combined[T]):
    """See Future.timeout."""

    __slots__ = ()
    combinator = codes.FIRST_COMPLETED

    def __init__(self, owner: Owner, child: Future[T], timer: Future[None]) -> None:
        super().__init__(owner, (child, timer))

    def settled(self, handle: Slot) -> None:
        if self.kind != PENDING:
            return
        if handle is not self.children[0]:
            self.settle(LOCAL_ERROR, DurableTimeout())
        else:
            self.settle(LOCAL_ERROR if handle.failed else LOCAL, None)

    def value(self) -> T:
        if self.kind == LOCAL_ERROR and self.raw is not None:
            raise self.raw
        return self.children[0].value()  # type: ignore[no-any-return]


class Every(Combined[list[T]]):
    """What waits for all its children; it is done at once if there are none."""

    __slots__ = ()

    def __init__(self, owner: Owner, children: Sequence[Future[Any]]) -> None:
        super().__init__(owner, children)
        if not children:
            self.settle(LOCAL, None)


class Gather(Every[Any]):
    """All results in order; the first failure at once."""

    __slots__ = ()
    combinator = codes.ALL_SUCCEEDED_OR_FIRST_FAILED

    def settled(self, handle: Slot) -> None:
        self.left -= 1
        if self.kind != PENDING:
            return
        if handle.failed:
            self.settle(LOCAL_ERROR, handle)
        elif not self.left:
            self.settle(LOCAL, None)

    def value(self) -> list[Any]:
        if self.kind == LOCAL_ERROR:
            self.raw.value()
        return [child.value() for child in self.children]


class First(Combined[T]):
    """What is done with the first of its children that is, be it by a failure."""

    __slots__ = ()
    combinator = codes.FIRST_COMPLETED

    def settled(self, handle: Slot) -> None:
        if self.kind == PENDING:
            self.settle(LOCAL_ERROR if handle.failed else LOCAL, handle)


class Race(First[T]):
    """The result of the first that is done, be it a failure."""

    __slots__ = ()

    def value(self) -> T:
        return self.raw.value()  # type: ignore[no-any-return]


class AnyOf(Combined[T]):
    """The first result that is no failure; a Terminal if all fail."""

    __slots__ = ()
    combinator = codes.FIRST_SUCCEEDED_OR_ALL_FAILED

    def settled(self, handle: Slot) -> None:
        self.left -= 1
        if self.kind != PENDING:
            return
        if not handle.failed:
            self.settle(LOCAL, handle)
        elif not self.left:
            self.settle(LOCAL_ERROR, handle)

    def value(self) -> T:
        return self.raw.value()  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """How one of several futures ended: `error` is None if it has a `value`."""

    value: T | None = None
    error: Exception | None = None

    @property
    def ok(self) -> bool:
        """Whether there is a value."""
        return self.error is None


class AllSettled(Every[Outcome[Any]]):
    """How each of the futures ended."""

    __slots__ = ()
    combinator = codes.ALL_COMPLETED

    def settled(self, handle: Slot) -> None:
        self.left -= 1
        if not self.left:
            self.settle(LOCAL, None)

    def value(self) -> list[Outcome[Any]]:
        return [_outcome(child) for child in self.children]


def _outcome(child: Future[Any]) -> Outcome[Any]:
    try:
        return Outcome(child.value())
    except Exception as error:  # noqa: BLE001
        return Outcome(error=error)


class Select(First[tuple[str, Any]]):
    """The name and the result of the first that is done."""

    __slots__ = ("_names",)

    def __init__(self, owner: Owner, named: dict[str, Future[Any]]) -> None:
        self._names = {id(future): name for name, future in named.items()}
        super().__init__(owner, tuple(named.values()))

    def value(self) -> tuple[str, Any]:
        return self._names[id(self.raw)], self.raw.value()


class Arrival(Combined[Future[Any]]):
    """The next of several futures that is done, itself; AsCompleted settles it."""

    __slots__ = ()
    combinator = codes.FIRST_COMPLETED

    def __init__(self, owner: Owner, children: Sequence[Future[Any]]) -> None:
        super().__init__(owner, ())
        self.children = children


class AsCompleted:
    """An async iterator over futures in the order in which they are done; each is to be awaited."""

    def __init__(self, owner: Owner, futures: Sequence[Future[Any]]) -> None:
        self._owner = owner
        self._left = {id(future): future for future in futures}
        self._done: deque[Future[Any]] = deque()
        self._next: Arrival | None = None
        for future in self._left.values():
            if future.kind == PENDING:
                future.wait(self)
            else:
                self._done.append(future)

    def settled(self, handle: Slot) -> None:
        """Take note of the order."""
        assert isinstance(handle, Future)
        self._done.append(handle)
        if self._next is not None:
            arrival, self._next = self._next, None
            arrival.settle(LOCAL, None)

    def __aiter__(self) -> AsCompleted:
        return self

    async def __anext__(self) -> Future[Any]:
        if not self._left:
            raise StopAsyncIteration
        if not self._done:
            self._next = Arrival(self._owner, tuple(self._left.values()))
            await self._next
        return self._take()

    def __iter__(self) -> Iterator[Future[Any]]:
        """The same in a plain `def` handler."""
        while self._left:
            if not self._done:
                self._next = Arrival(self._owner, tuple(self._left.values()))
                self._next.result()
            yield self._take()

    def _take(self) -> Future[Any]:
        future = self._done.popleft()
        del self._left[id(future)]
        return future
