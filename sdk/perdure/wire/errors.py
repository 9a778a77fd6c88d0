"""What the codec raises: bytes that break the service protocol, and ids that are none."""


class WireError(ValueError):
    """Bytes that are no valid message of the service protocol, or a message that has no bytes."""


class FutureTooLarge(WireError):
    """An awaited future is nested too deep, or has too many nodes, to be worth keeping."""


class FrameTooLarge(WireError):
    """A header announces a payload at or above the limit; `frames` came whole before it."""

    def __init__(
        self, code: int, size_bytes: int, limit_bytes: int, frames: list[tuple[int, int, bytes]]
    ) -> None:
        super().__init__(
            f"message {code:#06x} has a payload of {size_bytes} bytes, the limit is {limit_bytes}"
        )
        self.code = code
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
        self.frames = frames


class BadId(ValueError):
    """A text that is not the id it is used as; the message says why, for people."""
