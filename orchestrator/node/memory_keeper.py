"""Gives memory that load made the process take back to the system once the node is quiet."""

import asyncio
import time

from orchestrator.node.process_metrics import resident_bytes
from orchestrator.runtime import memory
from orchestrator.runtime.beat import until_beat_s
from orchestrator.tables.cache import Cache

LOOK_S = 1.0
BUSY_PART = 0.2  # of a core: below that the node is quiet
SHRINK_ROUNDS = 100  # a million rows: more than the budget holds
QUIET_LOOKS = 5  # in a row, before rows are given up too
QUIET_CACHE_PART = 0.25  # of the cache's budget that stays when all is quiet
GROWN_BYTES = 16 << 20  # since the last time: less is not worth trimming the heap


class MemoryKeeper:
    """Looks once a second; free pages go back to the system in quiet moments."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._kept_bytes = resident_bytes()  # after the last time
        self._cpu_s = time.process_time()
        self._quiet_looks = 0

    async def run(self) -> None:
        """Never returns."""
        while True:
            now_s = asyncio.get_running_loop().time()
            await asyncio.sleep(until_beat_s(now_s, LOOK_S))
            await self.shrink_caches()

    async def shrink_caches(self) -> None:
        """Between records: rows may be given up."""
        cpu_s, self._cpu_s = self._cpu_s, time.process_time()
        if self._cpu_s - cpu_s > BUSY_PART * LOOK_S:
            self._quiet_looks = 0
            await self._shrink(self._cache.bytes_max)
            return
        self._quiet_looks += 1
        if self._quiet_looks == QUIET_LOOKS:
            await self._shrink(int(self._cache.bytes_max * QUIET_CACHE_PART))
        if self._quiet_looks == QUIET_LOOKS or self._has_grown():
            await asyncio.to_thread(memory.trim_heap)
            self._kept_bytes = resident_bytes()

    async def _shrink(self, bytes_max: int) -> None:
        """A part in each round of the loop; what cannot be given up yet stays."""
        for _ in range(SHRINK_ROUNDS):
            if not self._cache.shrink(bytes_max):
                return
            await asyncio.sleep(0)

    def _has_grown(self) -> bool:
        return resident_bytes() - self._kept_bytes >= GROWN_BYTES
