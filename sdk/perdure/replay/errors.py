"""What stops a replay: the journal and the code disagree, or the peer broke the protocol.

They derive from BaseException: `except Exception` in a handler must not go on after them.
"""

from perdure.wire.codes import (
    CLOSED,
    INTERNAL,
    JOURNAL_MISMATCH,
    PROTOCOL_VIOLATION,
    UNSUPPORTED_FEATURE,
)


class ReplayError(BaseException):
    """The attempt cannot go on. `code` goes into the Error message; `command` is the number of
    the command it is about, None if it is about none."""

    def __init__(self, code: int, message: str, command: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.command = command


class Mismatch(ReplayError):
    """The journal no longer fits the code."""

    def __init__(self, message: str, command: int | None = None) -> None:
        super().__init__(JOURNAL_MISMATCH, message, command)


class ProtocolViolation(ReplayError):
    """The peer sent what it must not send."""

    def __init__(self, message: str) -> None:
        super().__init__(PROTOCOL_VIOLATION, message)


class TooMuchBuffered(ReplayError):
    """The journal of the attempt is larger than the limit of what is kept in memory."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(INTERNAL, f"the journal of this attempt is over {limit_bytes} bytes")


class Unsupported(ReplayError):
    """The negotiated version of the protocol cannot say what the code asks for."""

    def __init__(self, what: str, version: int, needed: int) -> None:
        super().__init__(
            UNSUPPORTED_FEATURE, f"{what} needs protocol version {needed}, this is {version}"
        )


class Closed(ReplayError):
    """The attempt is over; nothing that it still does counts."""

    def __init__(self) -> None:
        super().__init__(CLOSED, "this attempt is over")
