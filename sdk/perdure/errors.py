"""What handlers and the SDK raise.

Terminal errors are outcomes: they are stored, reach the caller and are never tried again. Every
other exception of a handler or step is a failed attempt, which is retried. Control flow derives
from BaseException, so that `except Exception` in a handler leaves it alone.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

INTERNAL: Final = 500
CANCELLED: Final = 409
TIMED_OUT: Final = 408
BAD_REQUEST: Final = 400
_CODE_MAX: Final = 0xFFFF_FFFF


class Terminal(Exception):
    """Ends the invocation, or a step, with a failure that the caller sees; it is not retried.

    `code` is an HTTP status where it is one (400-599); `metadata` travels to the caller on
    protocol version 6 and later. Raises TypeError or ValueError for a code that is none.
    """

    def __init__(
        self, message: str = "", code: int = INTERNAL, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        if not isinstance(code, int) or isinstance(code, bool):
            raise TypeError(f"the code of a {type(self).__name__} is a number, not {code!r}")
        if not 0 <= code <= _CODE_MAX:
            raise ValueError(f"the code of a {type(self).__name__} is no status: {code}")
        self.message = str(message)
        self.code = int(code)
        self.metadata = {str(name): str(value) for name, value in (metadata or {}).items()}

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), (self.message, self.code, self.metadata))


def terminal_of(error: BaseException | None) -> Terminal | None:
    """Return the Terminal error that an exception is, or the first of a group that holds no other
    errors: a TaskGroup of asyncio raises such groups. None for any other exception."""
    if isinstance(error, ExceptionGroup) and error.split(Terminal)[1] is None:
        return terminal_of(error.exceptions[0])
    return error if isinstance(error, Terminal) else None


class Cancelled(Terminal):
    """The invocation was cancelled; raised where the handler awaits, once per cancellation."""

    def __init__(
        self,
        message: str = "cancelled",
        code: int = CANCELLED,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code, metadata)


class DurableTimeout(Terminal, TimeoutError):
    """A durable timer ended before what was awaited. As a TimeoutError it can be caught like
    asyncio's; as a Terminal one it is not retried when it leaves the handler, because the timer
    has fired for good."""

    def __init__(
        self,
        message: str = "timed out",
        code: int = TIMED_OUT,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, code, metadata)


class RetryAfter(Exception):
    """Fails this attempt; the next one starts after `delay`, whatever the retry policy says; at
    once if it is negative."""

    def __init__(self, delay: timedelta, message: str = "") -> None:
        if not isinstance(delay, timedelta):
            raise TypeError(f"RetryAfter takes a datetime.timedelta, not {delay!r}")
        super().__init__(message or f"to be tried again after {delay}")
        self.delay = delay


class Pause(Exception):
    """Pauses the invocation until somebody resumes it. Below protocol version 7 it is a failed
    attempt like any other."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "paused by the handler")
        self.reason = reason


class ControlFlow(BaseException):
    """Leaves a handler without an outcome. Never catch it; `except Exception` does not."""


class Suspended(ControlFlow):
    """What is awaited is not there yet; the handler is run again from its journal when it is."""


class AttemptEnded(ControlFlow):
    """The attempt is over: the server has gone or gave it up. Nothing more of it counts."""


class Misuse(Exception):
    """The SDK is used in a way that cannot work. `file` and `line` say where in the user's code."""

    def __init__(self, message: str, file: str = "", line: int = 0) -> None:
        super().__init__(f"{message} ({file}:{line})" if file else message)
        self.file = file
        self.line = line


class MisuseWarning(UserWarning):
    """A handler does what another attempt of it would not do alike; told once for each line."""


class BadDefinition(Misuse, TypeError):
    """A service or handler that cannot be served, found when it is defined or bound."""


class BadValue(ValueError):
    """A value that its type cannot encode, or bytes that it cannot decode; `path` is the place in
    the value, such as `$.items[0].count`."""

    def __init__(self, message: str, path: str = "$") -> None:
        super().__init__(message)
        self.path = path


class RequestRefused(Exception):
    """A server refused a request of a client, or could not serve it; `status` is that of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (HTTP status {status})")
        self.status = status
        self.message = message


class NotReady(Exception):
    """There is no result yet."""
