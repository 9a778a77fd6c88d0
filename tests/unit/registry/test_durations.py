"""Durations: what is read, what is refused, and that what is written is read back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.model.durations import (
    DURATION_MS_MAX,
    DurationError,
    format_duration,
    parse_duration_ms,
)


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0", 0),
        ("0s", 0),
        ("10s", 10_000),
        ("500ms", 500),
        ("60 sec", 60_000),
        ("60ms", 60),
        ("1h 4m", 3_840_000),
        ("1h4m", 3_840_000),
        ("1 hour, 4 minutes", 3_840_000),
        ("1 hour and 4 minutes", 3_840_000),
        ("1.5h", 5_400_000),
        ("1d", 86_400_000),
        ("2 weeks 1 day", 15 * 86_400_000),
        ("1us", 1),
        ("1001 µs", 2),
        (" 3m ", 180_000),
        ("PT1M", 60_000),
        ("PT60S", 60_000),
        ("pt1h30m", 5_400_000),
        ("P1D", 86_400_000),
        ("P1W", 604_800_000),
        ("P1DT2H", 93_600_000),
        ("PT0.5S", 500),
        ("PT0,5S", 500),
        ("PT0.0001S", 1),
    ],
)
def test_reads(text: str, milliseconds: int) -> None:
    assert parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "10", "-1s", "1x", "s", "1y", "2 months", "P1Y", "P1M", "P", "PT", "P1DT", "1m 1h",
     "1s 1s", "1h ago", "ten seconds", "1e3s", "1000001d", "9" * 300 + "s", "PT1", "1..5s", "١s",
     "1h 4m x", "NaN"],
)  # fmt: skip
def test_refuses(text: str) -> None:
    with pytest.raises(DurationError):
        parse_duration_ms(text)


def test_bare_milliseconds_where_asked_for() -> None:
    assert parse_duration_ms("1500", bare_ms=True) == 1500


def test_calendar_units_are_named_in_the_error() -> None:
    with pytest.raises(DurationError, match="years or months"):
        parse_duration_ms("1 month")


@given(st.integers(min_value=0, max_value=DURATION_MS_MAX))
def test_written_is_read_back(milliseconds: int) -> None:
    assert parse_duration_ms(format_duration(milliseconds)) == milliseconds


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        assert 0 <= parse_duration_ms(text) <= DURATION_MS_MAX
    except DurationError as error:
        assert str(error)


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(0, "0s"), (60_000, "1m"), (5_400_000, "1h 30m"), (86_400_000, "1d"), (1500, "1s 500ms")],
)
def test_writes(milliseconds: int, text: str) -> None:
    assert format_duration(milliseconds) == text
