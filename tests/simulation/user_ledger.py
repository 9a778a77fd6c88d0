"""The ledger of broker clusters of users, with entries in the bytes that the engine keeps there.

Of each lane and log the entry with the highest number is kept. Those of two logs are kept both,
as they are before Kafka compacts the topic.
"""

from collections.abc import Collection
from typing import NamedTuple

from orchestrator.brokers import ledger


class LedgerPlace(NamedTuple):
    """A partition of the ledger of one broker cluster."""

    cluster: str
    partition: int


class UserLedger:
    """Of all broker clusters of a world."""

    def __init__(self) -> None:
        self._last: dict[LedgerPlace, dict[tuple[bytes, int], int]] = {}  # by log and lane

    def write(self, at: LedgerPlace, log: bytes, lane: int, number: int) -> None:
        last = self._last.setdefault(at, {})
        last[log, lane] = max(number, last.get((log, lane), 0))

    def mend(self, at: LedgerPlace, log: bytes, lane: int, number: int) -> None:
        """Somebody repairs an entry; 0: it is taken away."""
        last = self._last.setdefault(at, {})
        last.pop((log, lane), None)
        if number:
            last[log, lane] = number

    def logs(self, at: LedgerPlace) -> set[bytes]:
        """Which have written to it."""
        return {log for log, _ in self._last.get(at, {})}

    def read(
        self, at: LedgerPlace, identity: bytes, taken_over: Collection[bytes]
    ) -> dict[int, int]:
        """As the engine reads it. Raises ForeignEntry."""
        last: dict[int, int] = {}
        for (log, lane), number in self._last.get(at, {}).items():
            key, value = ledger.ledger_key(lane), ledger.ledger_value(log, number)
            ledger.note_entry(identity, taken_over, key, value, last)
        return last
