"""Refusals as statuses of HTTP: the door's, and those that only HTTP knows."""

from typing import Final

from orchestrator.door.refusals import RefusalCode

_STATUSES: Final = {RefusalCode.UNKNOWN_SERVICE: 404, RefusalCode.UNKNOWN_HANDLER: 404}


def status_of(code: RefusalCode) -> int:
    """The status a refusal of the door is answered with."""
    return _STATUSES.get(code, 400)


def allow(methods: tuple[bytes, ...]) -> tuple[str, bytes]:
    """What a refused method is told, and the header line that says the same."""
    allowed = b", ".join(methods)
    return f"method not allowed, use {allowed.decode()}", b"allow: " + allowed + b"\r\n"


class HttpRefused(Exception):
    """A path, method or body that HTTP does not allow; `headers` are lines for the answer."""

    def __init__(self, status: int, message: str, headers: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers
