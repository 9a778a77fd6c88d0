"""The port to consumer groups: offsets are committed only for Kafka's tools, and never read
back."""

from collections.abc import Callable, Mapping
from typing import Protocol

Offsets = Mapping[tuple[str, int], int]
"""By topic and partition, the offset of the next record."""


class GroupOffsets(Protocol):
    """Groups of one broker cluster. Nothing blocks, nothing is raised."""

    def commit(self, group: str, offsets: Offsets, done: Callable[[str], None]) -> None:
        """Called back once, on the loop: "", or why it was not committed; one commit at a time."""
        ...

    def close(self) -> None:
        """Nothing is called back any more."""
        ...
