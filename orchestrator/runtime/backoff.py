"""Exponential backoff: the pause before something is tried again. Pure."""

from typing import Final

_DOUBLINGS_MAX: Final = 30


def backoff_s(first_s: float, max_s: float, failure_count: int) -> float:
    """Twice as long with each failure before this one, up to `max_s`; without jitter, seconds."""
    return min(max_s, first_s * 2.0 ** min(failure_count, _DOUBLINGS_MAX))
