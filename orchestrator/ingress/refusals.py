"""What the door says no to: a status and a text for the caller."""


class Refused(Exception):
    """A request that never reaches the log; `headers` are extra header lines of the answer."""

    def __init__(self, status: int, message: str, headers: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers
