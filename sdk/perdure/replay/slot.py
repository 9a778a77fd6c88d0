"""A result to come: what a command or a signal will bring, and who waits for it."""

from typing import Any, Final, Protocol

# What a handle holds. The first is the state of waiting, the others are final.
PENDING: Final = 0
VOID: Final = 1
VALUE: Final = 2
"""Bytes."""
FAILURE: Final = 3
"""A WireFailure."""
INVOCATION_ID: Final = 4
STATE_KEYS: Final = 5
"""A tuple of bytes."""
LOCAL: Final = 6
"""An object that was made in this process: the result of a combinator."""
LOCAL_ERROR: Final = 7
"""An exception that was made in this process."""


class Waiter(Protocol):
    """Is told when a handle that it waits for is settled."""

    def settled(self, handle: "Slot") -> None:
        """Take notice; called once per handle, in the order of waiting."""


class Slot:
    """One result to come.

    `number` says which notification settles it: a completion id, the index of a signal as a
    negative number, or the name of a signal. Zero: none, it is settled in this process.
    """

    __slots__ = ("kind", "number", "raw", "waiters")

    def __init__(self) -> None:
        self.kind = PENDING
        self.raw: Any = None
        self.number: int | str = 0
        self.waiters: list[Waiter] | None = None

    def settle(self, kind: int, raw: Any) -> None:
        """Take the result and tell who waits."""
        self.kind = kind
        self.raw = raw
        waiters = self.waiters
        if waiters is not None:
            self.waiters = None
            for waiter in waiters:
                waiter.settled(self)

    def wait(self, waiter: Waiter) -> None:
        """Have a waiter told; the handle is pending."""
        if self.waiters is None:
            self.waiters = [waiter]
        else:
            self.waiters.append(waiter)

    @property
    def failed(self) -> bool:
        """Whether the result is there and is a failure."""
        return self.kind == FAILURE or self.kind == LOCAL_ERROR
