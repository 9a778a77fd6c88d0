"""Durations as people write them: friendly (`1h 4m`, `500ms`, `60 sec`) or ISO 8601 (`PT1M`).

Years and months are refused: they have no fixed length. A day has 24 hours. What is finer than
a millisecond is rounded up, so that a short time never becomes none.
"""

import re
from fractions import Fraction
from typing import Final

DURATION_MS_MAX: Final = 1000 * 365 * 24 * 3600 * 1000
"""A thousand years: a time that far from now can still be written as a date."""

_SECOND = 1000
_MINUTE = 60 * _SECOND
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_WEEK = 7 * _DAY

_NAMES: tuple[tuple[str, Fraction], ...] = (
    ("weeks week wks wk w", Fraction(_WEEK)),
    ("days day d", Fraction(_DAY)),
    ("hours hour hrs hr h", Fraction(_HOUR)),
    ("minutes minute mins min m", Fraction(_MINUTE)),
    ("seconds second secs sec s", Fraction(_SECOND)),
    ("milliseconds millisecond millis milli msecs msec ms", Fraction(1)),
    ("microseconds microsecond micros micro usecs usec us µs μs", Fraction(1, 1000)),
    ("nanoseconds nanosecond nanos nano nsecs nsec ns", Fraction(1, 1_000_000)),
)
_UNITS = {name: factor for names, factor in _NAMES for name in names.split()}
_CALENDAR = frozenset(["years", "year", "yrs", "yr", "y", "months", "month", "mos", "mo"])

_PART = re.compile(r"([0-9]+(?:[.][0-9]+)?)\s*([a-zµμ]+)(?:\s*,\s*|\s+and\s+|\s*)")
_NUMBER = r"([0-9]+(?:[.,][0-9]+)?)"
_ISO = re.compile(
    rf"P(?:{_NUMBER}W)?(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?",
    re.IGNORECASE,
)
_ISO_FACTORS = (_WEEK, _DAY, _HOUR, _MINUTE, _SECOND)
_ISO_CALENDAR = re.compile(r"P[0-9.,]*[0-9](Y|M)", re.IGNORECASE)
_TEXT_CHARS_MAX = 200

_HINT = "write a duration like 10s, 500ms, 1h 30m or PT1M"


class DurationError(ValueError):
    """A text that is no duration; the message says what to write instead."""


def parse_duration_ms(text: str, *, bare_ms: bool = False) -> int:
    """Milliseconds of a duration; with `bare_ms` a number without a unit is taken as such."""
    words = text.strip()
    if len(words) > _TEXT_CHARS_MAX:
        raise DurationError(f"a duration of {len(words)} characters is too long: {_HINT}")
    if re.fullmatch(r"[0-9]+", words):
        if bare_ms or not words.strip("0"):
            return _checked(Fraction(int(words)), text)
        raise DurationError(f"{text!r} has no unit: {_HINT}")
    return _checked(_iso(words) if words[:1] in "Pp" else _friendly(words), text)


def _checked(total: Fraction | None, text: str) -> int:
    if total is None:
        raise DurationError(f"{text!r} is not a duration: {_HINT}")
    milliseconds = -(-total.numerator // total.denominator)
    if milliseconds > DURATION_MS_MAX:
        raise DurationError(f"{text!r} is longer than a thousand years")
    return milliseconds


def _calendar(text: str) -> DurationError:
    return DurationError(f"{text!r} has years or months, which have no fixed length: use days")


def _iso(text: str) -> Fraction | None:
    if _ISO_CALENDAR.match(text):
        raise _calendar(text)
    found = _ISO.fullmatch(text)
    if found is None or text[-1] in "PpTt":
        return None
    total = Fraction(0)
    for number, factor in zip(found.groups(), _ISO_FACTORS, strict=True):
        if number is not None:
            total += Fraction(number.replace(",", ".")) * factor
    return total


def _friendly(text: str) -> Fraction | None:
    total = Fraction(0)
    at = 0
    smallest: Fraction | None = None
    while at < len(text):
        found = _PART.match(text, at)
        if found is None:
            return None
        unit = found[2]
        if unit in _CALENDAR:
            raise _calendar(text)
        factor = _UNITS.get(unit)
        if factor is None or (smallest is not None and factor >= smallest):
            return None
        total += Fraction(found[1]) * factor
        smallest = factor
        at = found.end()
    return None if smallest is None else total


_SHOWN = (("d", _DAY), ("h", _HOUR), ("m", _MINUTE), ("s", _SECOND), ("ms", 1))


def format_duration(milliseconds: int) -> str:
    """The shortest friendly text: `1h 30m`, `1d`, `500ms`; `0s` for nothing."""
    parts = []
    for unit, factor in _SHOWN:
        count, milliseconds = divmod(milliseconds, factor)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts) or "0s"
