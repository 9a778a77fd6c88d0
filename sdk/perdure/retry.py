"""How often, and how long apart, something is tried again: one policy for steps and invocations."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Literal

_KINDS: Final[dict[str, Any]] = {
    "initial": timedelta,
    "factor": int | float,
    "max_interval": timedelta,
    "max_attempts": int,
    "max_duration": timedelta,
}


@dataclass(frozen=True, slots=True)
class Retry:
    """What is None is left to the server, or for a step to its defaults.

    For a handler or service the server waits between attempts and counts them; when `max_attempts`
    (the first included) are used up it pauses or kills the invocation. For a step the SDK counts;
    when attempts or `max_duration` are used up the step ends with a Terminal error ("kill", the
    default of steps) or the invocation is paused. `max_duration` is for steps alone.
    """

    initial: timedelta | None = None
    factor: float | None = None
    max_interval: timedelta | None = None
    max_attempts: int | None = None
    max_duration: timedelta | None = None
    on_exhausted: Literal["pause", "kill"] | None = None

    def __post_init__(self) -> None:
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
                expected = "a timedelta" if kind is timedelta else "a number"
                raise TypeError(f"{name} is {expected}, not {value!r}")
        if self.max_attempts is not None and self.max_attempts < 1:
            raise ValueError("max_attempts counts the first attempt, so it is at least 1")
        if self.factor is not None and self.factor < 1:
            raise ValueError("factor is at least 1: delays grow or stay as they are")
        if self.on_exhausted not in (None, "pause", "kill"):
            raise ValueError('on_exhausted is "pause" or "kill"')
        for name in ("initial", "max_interval", "max_duration"):
            if (delta := getattr(self, name)) is not None and delta < timedelta(0):
                raise ValueError(f"{name} is negative")
