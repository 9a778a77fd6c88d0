"""The header Retry-After: seconds, or a date as HTTP writes it."""

from datetime import UTC
from email.utils import parsedate_to_datetime

from orchestrator.invoker.retry import DELAY_MS_MAX


def parse_retry_after(text: str, now_ms: int) -> int | None:
    """The delay in ms a Retry-After header asks for: seconds or a date; None if it is neither."""
    text = text.strip()
    if text.isascii() and text.isdecimal():
        return min(int(text[:15]) * 1000, DELAY_MS_MAX)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return min(max(int(at.timestamp() * 1000) - now_ms, 0), DELAY_MS_MAX)
