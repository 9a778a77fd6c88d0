"""The C library's allocator told to give memory back; does nothing where it is not glibc's.

Left alone, glibc raises the size from which blocks are mapped on their own to 32 MiB as soon as
such a block is freed. Bodies then come from its heaps, and hardly ever leave the process again.
"""

import ctypes
import gc
from typing import Final

_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
_M_ARENA_MAX: Final = -8

MAPPED_FROM_BYTES: Final = 256 << 10  # such a block is mapped by itself, and unmapped when freed
TRIMMED_FROM_BYTES: Final = 16 << 20  # free at the end of the heap
ARENAS_MAX: Final = 2  # heaps: else each thread that allocates gets one


def give_memory_back() -> None:
    """To be called once, before threads are started."""
    mallopt = _function("mallopt")
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES)
        mallopt(_M_TRIM_THRESHOLD, TRIMMED_FROM_BYTES)
        mallopt(_M_ARENA_MAX, ARENAS_MAX)


# What a server allocates lives long or dies at once: look for cycles rarely, and walk at most
# 125,000 objects then (40 ms). Only the last kind walks all, rows in the cache too (200 ms).
_GC_THRESHOLDS: Final = (25_000, 4, 1_250)


def collect_rarely() -> None:
    """For a process that is a server: to be called before the start, which may read much of the
    log; `gc.freeze` comes after it."""
    gc.set_threshold(*_GC_THRESHOLDS)
    gc.collect()  # now, while nothing waits: after the start it would walk all rows that were read


def trim_heap() -> None:
    """Give back every free page. Takes milliseconds: only for quiet moments."""
    malloc_trim = _function("malloc_trim")
    if malloc_trim is not None:
        malloc_trim(0)


def _function(name: str) -> "ctypes._NamedFuncPointer | None":
    return getattr(ctypes.CDLL(None), name, None)
