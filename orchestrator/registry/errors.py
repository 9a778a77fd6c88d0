"""Errors of registration and discovery, with the codes of the protocol's catalogue."""

from typing import Final

UNREACHABLE: Final = "META0003"
CONFLICT: Final = "META0004"
RESERVED_NAME: Final = "META0005"
BREAKING_CHANGE: Final = "META0006"
INCOMPATIBLE_PROTOCOL: Final = "META0012"
BAD_MANIFEST: Final = "META0013"
HTTP1_ANSWER: Final = "META0014"
NO_BIDI: Final = "META0015"
TOO_DIFFERENT: Final = "META0016"
DUPLICATE_URI: Final = "META0017"

_STATUS = {CONFLICT: 409, BREAKING_CHANGE: 409, TOO_DIFFERENT: 409, DUPLICATE_URI: 409}
_STATUS_BAD_REQUEST = {RESERVED_NAME: 400, INCOMPATIBLE_PROTOCOL: 400}


class RegistryError(Exception):
    """A change of the metadata that was refused, or a discovery that failed."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS.get(code) or _STATUS_BAD_REQUEST.get(code) or 500
