"""Time, as the engine sees it: injected, so that tests and the simulation own it."""

import time
from typing import Protocol


class Clock(Protocol):
    """`now_ms` is Unix time and may jump; `monotonic_ms` never goes back."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> int: ...


class SystemClock:
    """The clock of this machine."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000
