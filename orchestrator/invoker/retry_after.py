"""The header Retry-After: seconds, or a date as HTTP writes it."""

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

RETRY_AFTER_MS_MAX: Final = 24 * 3_600_000
"""A day: a gateway that says more is mistaken, and its service is back before that."""


def parse_retry_after(text: str, now_ms: int) -> int | None:
    """The delay in ms a Retry-After header asks for, of at most RETRY_AFTER_MS_MAX: seconds or a
    date; None if it is neither."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:15]) * 1000, RETRY_AFTER_MS_MAX)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(int(at.timestamp() * 1000) - now_ms, 0), RETRY_AFTER_MS_MAX)
