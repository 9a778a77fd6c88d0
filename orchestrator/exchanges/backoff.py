"""When an address that refuses connections may be tried again. Pure."""

from typing import Final

from orchestrator.runtime.backoff import backoff_s

FIRST_S: Final = 0.05
MAX_S: Final = 1.0  # a service that comes back is found within this time


class Backoff:
    """Pauses between connects to one address, shared by all that wait for it: each is twice as
    long as the one before. Times are monotonic, in seconds."""

    __slots__ = ("failure_count", "until_s")

    def __init__(self) -> None:
        self.failure_count = 0
        self.until_s = 0.0

    def failed(self, now_s: float) -> None:
        """A connect failed, or a connection ended before anything was answered on it. Connects
        that were under way together count as one failure."""
        if now_s >= self.until_s:
            pause_s = backoff_s(FIRST_S, MAX_S, self.failure_count)
            self.failure_count += 1
            self.until_s = now_s + pause_s

    def worked(self) -> None:
        """The service answered something."""
        self.failure_count = 0
        self.until_s = 0.0

    def is_forgotten(self, now_s: float) -> bool:
        """Whether the last failure is so long ago that it does not count any more."""
        return not self.failure_count or now_s > self.until_s + 2 * MAX_S
