"""Errors of registration and discovery, with the codes of the protocol's catalogue, and our own
where it has none."""

from typing import Final

UNREACHABLE: Final = "META0003"
CONFLICT: Final = "META0004"
RESERVED_NAME: Final = "META0005"
BREAKING_CHANGE: Final = "META0006"
BAD_SUBSCRIPTION: Final = "META0009"
INCOMPATIBLE_PROTOCOL: Final = "META0012"
BAD_MANIFEST: Final = "META0013"
HTTP1_ANSWER: Final = "META0014"
NO_BIDI: Final = "META0015"
TOO_DIFFERENT: Final = "META0016"
DUPLICATE_URI: Final = "META0017"

NO_CLUSTER: Final = "PD0611"
CLUSTER_IN_USE: Final = "PD0612"
NAME_TAKEN: Final = "PD0613"
TOPIC_MISSING: Final = "PD0614"
OWN_TOPIC: Final = "PD0615"
BAD_POINT: Final = "PD0616"
NO_SUBSCRIPTION: Final = "PD0617"
GROUP_IN_USE: Final = "PD0619"
NO_FEED: Final = "PD0620"
NO_LOG: Final = "PD0621"
TOO_MANY_CLIENTS: Final = "PD0622"

_STATUS: Final = {
    CONFLICT: 409,
    BREAKING_CHANGE: 409,
    TOO_DIFFERENT: 409,
    DUPLICATE_URI: 409,
    RESERVED_NAME: 400,
    BAD_SUBSCRIPTION: 400,
    INCOMPATIBLE_PROTOCOL: 400,
    NO_CLUSTER: 404,
    CLUSTER_IN_USE: 409,
    NAME_TAKEN: 409,
    TOPIC_MISSING: 400,
    OWN_TOPIC: 400,
    BAD_POINT: 400,
    NO_SUBSCRIPTION: 404,
    GROUP_IN_USE: 409,
    NO_FEED: 404,
    NO_LOG: 400,
    TOO_MANY_CLIENTS: 409,
}


class RegistryError(Exception):
    """A change of the metadata that was refused, or a discovery that failed."""

    def __init__(self, code: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status or _STATUS.get(code) or 500
