"""How long who writes much rests, so that a store that cannot keep up catches up."""

from collections.abc import Callable
from typing import Final

PACED_BYTES: Final = 1 << 20  # spilled at once: what writes less than this waits for nothing
PACED_FROM: Final = 12  # files in the store's backlog
REPLAY_PACED_FROM: Final = 24  # a start is to be short: only before a write would be held up
PACED_STEP: Final = 8  # as many more, and a partition spills PACED_BYTES_S; twice as many, half
PACED_BYTES_S: Final = 16 << 20
PACED_MAX_S: Final = 1.0


def rest_s(size_bytes: int, backlog: Callable[[], int], paced_from: int) -> float:
    """After a spill of this size: a write that RocksDB holds up would hold up everything. The store
    is asked for its backlog only where the spill was a large one."""
    if size_bytes < PACED_BYTES:
        return 0.0
    share = max(0, backlog() - paced_from) / PACED_STEP
    return min(PACED_MAX_S, share * size_bytes / PACED_BYTES_S)
