"""A wake-up between threads: one thread wakes, another waits for it or its event loop watches."""

import os
from typing import Final

WAKE_BYTES: Final = (1).to_bytes(8, "little")  # what is written to `write_fd` to wake


class WakeUp:
    """An eventfd where the system has them, else a pipe. Several calls of `wake` before a `take`
    count as one."""

    def __init__(self, *, blocking: bool) -> None:
        if hasattr(os, "eventfd"):
            flags = os.EFD_CLOEXEC | (0 if blocking else os.EFD_NONBLOCK)
            self.fd = self.write_fd = os.eventfd(0, flags)
        else:
            self.fd, self.write_fd = os.pipe()
            os.set_blocking(self.fd, blocking)
            os.set_blocking(self.write_fd, False)

    def wake(self) -> None:
        """From any thread."""
        try:
            os.write(self.write_fd, WAKE_BYTES)
        except BlockingIOError:
            pass  # full: whoever waits is woken already

    def take(self) -> None:
        """Take what was woken for so far; one that blocks waits until there is something."""
        try:
            os.read(self.fd, 64)
        except BlockingIOError:
            pass

    def close(self) -> None:
        os.close(self.fd)
        if self.write_fd != self.fd:
            os.close(self.write_fd)
