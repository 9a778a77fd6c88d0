"""When an invocation starts."""

from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.model.durations import DURATION_MS_MAX, DurationError, parse_duration_ms


def read_delay_ms(text: str) -> int:
    """A duration; bare integers are milliseconds, as some clients send them. Raises Refused."""
    try:
        return parse_duration_ms(text, bare_ms=True)
    except DurationError as error:
        raise Refused(RefusalCode.BAD_DELAY, f"bad delay: {error}") from None


def start_at_ms(wanted_ms: int, now_ms: int) -> int:
    """The start of an invocation as records keep it: 0 for at once.

    At most the longest delay from now: beyond it no date can be written.
    """
    return min(wanted_ms, now_ms + DURATION_MS_MAX) if wanted_ms > now_ms else 0
