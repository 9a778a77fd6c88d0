"""Errors by the names of `restate.exceptions`."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from perdure.errors import AttemptEnded, ControlFlow, RetryAfter, Suspended, Terminal

SdkInternalBaseException = ControlFlow
SuspendedException = Suspended
SdkInternalException = AttemptEnded


class TerminalError(Terminal):
    """Ends an invocation or a step for good; see `perdure.Terminal`."""

    def __init__(
        self, message: str, status_code: int = 500, metadata: dict[str, str] | None = None
    ) -> None:
        super().__init__(message, status_code, metadata)

    @property
    def status_code(self) -> int:
        return self.code


class RetryableError(Exception):
    """Fails an attempt; the next one begins after `retry_after`, where that is given."""

    def __init__(
        self, message: str, status_code: int = 500, retry_after: timedelta | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code
        self.retry_after = retry_after


def is_internal_exception(error: Any) -> bool:
    """Say whether an exception is control flow, which nobody should swallow."""
    return isinstance(error, ControlFlow)


@contextmanager
def as_terminal_errors() -> Generator[None, None, None]:
    """Have the errors of awaited futures raised under their names here."""
    try:
        yield
    except TerminalError:
        raise
    except Terminal as error:
        raise TerminalError(error.message, error.code, error.metadata) from None


def meant_by(error: Exception) -> Exception:
    """Return what an exception of a handler or step is for the runtime. One that was raised `from`
    a TerminalError, a RetryableError or control flow counts as that, as in `restate-sdk`."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ControlFlow):
            raise cause
        if isinstance(cause, Terminal):
            return cause
        if isinstance(cause, RetryableError):
            if cause.retry_after is None:
                return error
            return RetryAfter(cause.retry_after, cause.message)
        cause = cause.__cause__
    return error
