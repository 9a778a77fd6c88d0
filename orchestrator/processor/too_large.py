"""What becomes of a flush of an attempt that may not go into the log."""

from orchestrator.model.records import Failed, Journal
from orchestrator.model.values import CODE_INTERNAL, THEN_PAUSE, Attempted

TOO_LARGE = "one flush of the service is larger than a message of the log may be"


def paused_instead(record: Journal, reason: str = TOO_LARGE, code: str = "PD0306") -> Journal:
    """The same attempt fails for good, with the reason, and its invocation is paused."""
    why = Attempted(CODE_INTERNAL, reason, restate_code=code, at_ms=record.now_ms)
    return Journal(
        record.epoch,
        record.id,
        record.incarnation,
        record.attempt,
        record.now_ms,
        record.pin,
        b"",
        0,
        0,
        (),
        Failed(why, THEN_PAUSE, 0),
    )
