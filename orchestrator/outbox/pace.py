"""How long a writer rests after a transaction.

A transaction costs the brokers about a millisecond of CPU, however few rows it has. Where several
partitions commit at the same time, rows of each gather for a moment; a transaction that was alone
shows that nobody needs to wait for company.
"""

from typing import Final

GATHER_S: Final = 0.025
REST_S: Final = 0.002
"""The brokers end a transaction a moment after they have answered its commit, and librdkafka comes
back with the next one 20 ms later if it was too early."""


class CommitPace:
    """Of all writers of a node to one broker cluster."""

    def __init__(self, rest_s: float = REST_S, gather_s: float = GATHER_S) -> None:
        self._rest_s, self._gather_s = rest_s, gather_s
        self._under_way_count = 0
        self._begun_count = 0

    def begin(self) -> int:
        """A transaction; what is returned goes to `end`, however it ends."""
        self._begun_count += 1
        self._under_way_count += 1
        return self._begun_count if self._under_way_count == 1 else 0

    def end(self, begun: int) -> float:
        """Seconds until its writer may begin the next one."""
        self._under_way_count -= 1
        return self._rest_s if begun == self._begun_count else self._gather_s
