"""The state of the object as far as this attempt knows it."""

from collections.abc import Iterable


class StateView:
    """What Start brought, with the writes of this attempt; `partial`: other keys may exist."""

    __slots__ = ("partial", "values")

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]], partial: bool) -> None:
        self.values: dict[bytes, bytes | None] = dict(pairs)
        self.partial = partial

    def knows(self, key: bytes) -> bool:
        """Whether the server need not be asked for a key."""
        return not self.partial or key in self.values

    def get(self, key: bytes) -> bytes | None:
        """The value of a key that is known; None if it has none."""
        return self.values.get(key)

    def set(self, key: bytes, value: bytes) -> None:
        """Take in a write."""
        self.values[key] = value

    def clear(self, key: bytes) -> None:
        """Take in the removal of a key."""
        self.values[key] = None

    def clear_all(self) -> None:
        """Take in the removal of all keys: from now on everything is known."""
        self.values.clear()
        self.partial = False

    def keys(self) -> tuple[bytes, ...]:
        """All keys in order; only if the view is not partial."""
        return tuple(sorted(key for key, value in self.values.items() if value is not None))
