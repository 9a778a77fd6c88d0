"""Chores of one term: follow-up records, a few at a time, in turn."""

from collections.abc import Callable


class Chores:
    """A chore goes behind the others after each of its steps; asked for twice it is done once."""

    def __init__(self, propose: Callable[[bytes], None], at_once: Callable[[], int]) -> None:
        self._propose = propose
        self._at_once = at_once
        self._waiting: dict[bytes, None] = {}  # in order
        self._out: set[bytes] = set()  # proposed, not applied

    def add(self, key: bytes) -> None:
        if key not in self._out:
            self._waiting[key] = None
            self._go_on()

    def step_applied(self, key: bytes) -> None:
        """A step of it has been applied; an action asks for the next, if there is one."""
        self._out.discard(key)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and len(self._out) < self._at_once():
            key = next(iter(self._waiting))
            del self._waiting[key]
            self._out.add(key)
            self._propose(key)
