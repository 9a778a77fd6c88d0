"""Durations as the journal has them."""

from datetime import timedelta
from typing import Final

from perdure.misuse import misuse

_MICROSECONDS: Final = timedelta(microseconds=1)


def delta_ms(delta: timedelta) -> int:
    """A duration in whole milliseconds, rounded up; what is negative is over at once."""
    if not isinstance(delta, timedelta):
        raise misuse(f"{delta!r} is no duration: give a datetime.timedelta")
    return max(0, -(-(delta // _MICROSECONDS) // 1000))
