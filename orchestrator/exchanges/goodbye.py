"""What the peer of a connection said when it went away: GOAWAY, once or more. Pure."""

from typing import Final

_GOAWAYS_MAX: Final = 8  # two are usual: one that warns, one that says which streams were taken


class Goodbye:
    """Of one connection."""

    __slots__ = ("_count", "_last_stream_id", "was_said")

    def __init__(self) -> None:
        self._count = 0
        self._last_stream_id = -1  # those above it were not touched
        self.was_said = False  # once without an error: what was taken should be finished

    def add(self, last_stream_id: int, is_error: bool) -> None:
        """Another one has come."""
        self._count += 1
        self._last_stream_id = last_stream_id
        self.was_said = self.was_said or not is_error

    @property
    def flood(self) -> str:
        """Why the connection is given up; "" while there were not too many."""
        is_flood = self._count > _GOAWAYS_MAX
        return f"the peer sent GOAWAY over {_GOAWAYS_MAX} times" if is_flood else ""

    def skipped(self, stream_id: int) -> bool:
        """The peer has not touched this stream, and will not."""
        return -1 < self._last_stream_id < stream_id
