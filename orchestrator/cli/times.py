"""Times as people say them: how long ago, or in how long."""

from datetime import UTC, datetime
from typing import Final

from orchestrator.cli.exits import EXIT_USAGE, CliError
from orchestrator.model.durations import DurationError, parse_duration_ms

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))


def now() -> datetime:
    """The time of this machine: those of a server may differ a little."""
    return datetime.now(UTC)


def read_time(text: str) -> datetime | None:
    """A time of the admin API; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def span(seconds: float) -> str:
    """A length of time by its two largest units: `3 m 5 s`."""
    left = int(abs(seconds))
    parts = []
    for unit_s, name in _UNITS:
        count, left = divmod(left, unit_s)
        if count:
            parts.append(f"{count} {name}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0 s"


def ago(text: str | None) -> str:
    """`3 m ago` or `in 3 m`; "" for no time."""
    found = read_time(text) if text else None
    if found is None:
        return text or ""
    seconds = (now() - found).total_seconds()
    return f"{span(seconds)} ago" if seconds >= 0 else f"in {span(seconds)}"


def since(text: str | None) -> str:
    """` since 3 m`, "" for no time."""
    found = read_time(text) if text else None
    return f" since {span((now() - found).total_seconds())}" if found else ""


def flag_duration_s(text: str, flag: str) -> int:
    """Whole seconds of a duration that a flag was given, at least one."""
    try:
        return max(1, parse_duration_ms(text) // 1000)
    except DurationError as error:
        raise CliError(f"{flag}: {error}", EXIT_USAGE) from None
