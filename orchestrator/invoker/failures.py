"""Why an attempt fails: refusals of the door, and their messages for people."""

from typing import Final

from orchestrator.door.refusals import RefusalCode, Refused
from orchestrator.invoker import codes
from orchestrator.model.limits import FAILURE_STACKTRACE_CHARS_MAX
from orchestrator.model.values import CODE_INTERNAL, THEN_KILL, THEN_PAUSE, Attempted
from perdure import wire
from perdure.wire import codes as code

# What goes into the log beside the frames has to fit into the headroom of a message.
TEXT_CHARS_MAX: Final = 32 * 1024


class CommandRefused(Exception):
    """What a service asked for cannot be done: its attempt fails, and may be tried again.

    `then` overrides what the retry policy says (None leaves it to the policy).
    """

    def __init__(
        self, restate_code: str, message: str, *, code: int = CODE_INTERNAL, then: int | None = None
    ) -> None:
        super().__init__(message)
        self.restate_code = restate_code
        self.message = message
        self.code = code
        self.then = then


_CODES: Final = {
    RefusalCode.UNKNOWN_SERVICE: codes.UNKNOWN_CALLEE,
    RefusalCode.UNKNOWN_HANDLER: codes.UNKNOWN_CALLEE,
    RefusalCode.NO_SCOPES: codes.FLOW_CONTROL,
}


READ_ERRORS: Final = (Refused, CommandRefused, wire.WireError)
"""What reading a message raises."""


def as_refusal(error: Refused | CommandRefused | wire.WireError) -> CommandRefused:
    """What a message of a service was refused for, in the codes of attempts."""
    if isinstance(error, CommandRefused):
        return error
    if isinstance(error, Refused):
        refusal = error.refusal
        return CommandRefused(_CODES.get(refusal.code, codes.PRECONDITION), refusal.message)
    if isinstance(error, wire.FrameTooLarge):
        return CommandRefused(codes.TOO_LARGE, str(error))
    if isinstance(error, wire.FutureTooLarge):
        return CommandRefused(codes.FUTURE_TOO_LARGE, str(error), then=THEN_PAUSE)
    return CommandRefused(codes.PROTOCOL_VIOLATION, str(error))


def shortened(text: str, chars_max: int = TEXT_CHARS_MAX) -> str:
    """A text that fits beside the frames of a record."""
    return text if len(text) <= chars_max else text[: chars_max - 3] + "..."


def reported(m: wire.Error, now_ms: int) -> Attempted:
    """Why an attempt failed, as its service said."""
    mismatch = m.code == code.JOURNAL_MISMATCH
    index, kind = m.related_command_index, m.related_command_type
    return Attempted(
        code=m.code or code.INTERNAL,
        message=shortened(m.message),
        stacktrace=shortened(m.stacktrace, FAILURE_STACKTRACE_CHARS_MAX),
        restate_code=codes.JOURNAL_MISMATCH if mismatch else codes.HANDLER_ERROR,
        command_index=-1 if index is None else index,
        command_name=shortened(m.related_command_name or ""),
        command_type=-1 if kind is None else kind,
        at_ms=now_ms,
    )


def wanted_then(m: wire.Error) -> int | None:
    """What its service wants to follow; None leaves it to the policy."""
    return {code.BEHAVIOR_PAUSE: THEN_PAUSE, code.BEHAVIOR_FAIL: THEN_KILL}.get(m.behavior)


def attempted(restate_code: str, message: str, now_ms: int, code: int = CODE_INTERNAL) -> Attempted:
    """Why an attempt failed, as the invoker saw it."""
    return Attempted(code=code, message=shortened(message), restate_code=restate_code, at_ms=now_ms)
