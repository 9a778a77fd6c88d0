"""How many fetched bytes all consumers of users' topics on a node may hold together.

librdkafka is given a limit when a consumer is made and cannot change it later. So each consumer
takes half of what is left of the budget, but never less than a minimum.
"""

from typing import Final

BYTES_MAX: Final = 32 << 20
SHARE_BYTES_MIN: Final = 256 << 10


class FetchBudget:
    """Shares in bytes."""

    def __init__(self, bytes_max: int = BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self.taken_bytes = 0

    def take(self) -> int:
        share = max(SHARE_BYTES_MIN, (self._bytes_max - self.taken_bytes) // 2)
        self.taken_bytes += share
        return share

    def give_back(self, share: int) -> None:
        self.taken_bytes -= share
