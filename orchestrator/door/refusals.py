"""What the door refuses: a stable code for programs, a message for people."""

from enum import StrEnum

import msgspec


class RefusalCode(StrEnum):
    """Why a request is not taken. Faces map these, and dead letters keep them: never rename one."""

    UNKNOWN_SERVICE = "unknown_service"
    UNKNOWN_HANDLER = "unknown_handler"
    PRIVATE_HANDLER = "private_handler"
    BAD_KEY = "bad_key"
    BAD_IDEMPOTENCY_KEY = "bad_idempotency_key"
    BAD_INPUT = "bad_input"
    BAD_HEADERS = "bad_headers"
    BAD_DELAY = "bad_delay"
    BAD_TARGET = "bad_target"
    NO_SCOPES = "no_scopes"


class Refusal(msgspec.Struct, frozen=True, gc=False):
    """Why a request never reaches the log."""

    code: RefusalCode
    message: str


class Refused(Exception):
    """Raised by whatever the door checks; carries the refusal as a value."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.refusal = Refusal(code, message)
