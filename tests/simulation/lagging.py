"""Stores that fall behind what a leader writes to them: files that are still to be put in order
come with every write and go with time, slowly while the disk has other work.

Worlds are small, so that the sizes from which on a partition is paced are made small too.
"""

from collections.abc import Callable

from orchestrator.processor import pace, reading, upkeep
from orchestrator.store.port import Writes
from tests.simulation.mutation import Patch
from tests.simulation.oracle import Oracle

TIDE_S = 1.0  # of four of these the disk has other work in three
FAST = 60.0  # files that go in a second while it has none
HELD_UP = 15  # files from which on a store would hold up a write, and with it all partitions
PACED_BYTES = 100


def small_paces(patch: Patch) -> None:
    for room, name, value in (
        (pace, "PACED_BYTES", PACED_BYTES),
        (upkeep, "PACED_BYTES", PACED_BYTES),
        (upkeep, "PACED_FROM", 3),
        (reading, "REPLAY_PACED_FROM", 6),
        (pace, "PACED_STEP", 3),
        (pace, "PACED_BYTES_S", 500),
    ):
        patch.set(room, name, value)


class StoreLag:
    """Of one partition in one process. `slow()`: files that go in a second while the disk has other
    work; 0: it has none any more. What is written while a store is restored does not count."""

    def __init__(
        self,
        now_s: Callable[[], float],
        slow: Callable[[], float],
        is_led: Callable[[], bool],
        oracle: Oracle,
    ) -> None:
        self._now_s = now_s
        self._slow = slow
        self._is_led = is_led
        self._oracle = oracle
        self._files = 0.0
        self._at_s = now_s()

    def wrote(self, writes: Writes) -> None:
        if not self._is_led():
            return
        files = self.files()
        if files > HELD_UP:
            self._oracle.broken("pace", f"a store with {files} files holds up a write")
        self._files += sum(len(key) + len(value or b"") for key, value in writes) >= PACED_BYTES
        self._oracle.counts["most files"] = max(self._oracle.counts["most files"], self.files())

    def files(self) -> int:
        """Those that are still to be put in order now."""
        now_s, slow = self._now_s(), self._slow()
        is_slow = slow > 0 and int(now_s / TIDE_S) % 4 < 3
        gone = (now_s - self._at_s) * (slow if is_slow else FAST)
        self._files, self._at_s = max(0.0, self._files - gone), now_s
        return int(self._files)
