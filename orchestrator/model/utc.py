"""Times as text, without a calendar of the standard library: the pure ring has none."""

DAY_MS = 86_400_000


def utc_text(at_ms: int) -> str:
    """RFC 3339 with milliseconds, of Unix milliseconds that are not negative."""
    days, ms = divmod(at_ms, DAY_MS)
    # Days of years that begin in March, in eras of 400 years: a leap day is the last one.
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5 - 1
    year += era * 400 + (month >= 10)
    month += 3 if month < 10 else -9
    seconds, ms = divmod(ms, 1_000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z"
