"""Counters of the engine: plain integers, read by whoever shows them."""


class Counters:
    """Numbers that only rise, by name."""

    __slots__ = ("_values",)

    def __init__(self) -> None:
        self._values: dict[str, int] = {}

    def add(self, name: str, count: int = 1) -> None:
        values = self._values
        values[name] = values.get(name, 0) + count

    def get(self, name: str) -> int:
        return self._values.get(name, 0)

    def snapshot(self) -> dict[str, int]:
        """All counters, by name in order."""
        return dict(sorted(self._values.items()))
