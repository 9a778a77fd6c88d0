"""Times as text, compared with the calendar of the standard library."""

from datetime import UTC, datetime, timedelta

from orchestrator.model.utc import utc_text


def test_as_the_calendar_has_it() -> None:
    """Every 13th day and some hours, over five centuries."""
    start = datetime(1970, 1, 1, tzinfo=UTC)
    for number in range(0, 182_000, 13):
        at_ms = number * 86_400_000 + number * 7_919 % 86_400_000
        expected = (start + timedelta(milliseconds=at_ms)).isoformat(timespec="milliseconds")
        assert utc_text(at_ms) == expected.replace("+00:00", "Z")
