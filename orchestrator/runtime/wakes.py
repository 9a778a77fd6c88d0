"""A wake-up between threads: set by one, awaited by a thread or watched by an event loop."""

import os
from typing import Final

RING: Final = (1).to_bytes(8, "little")


class Bell:
    """An eventfd where there is one, else a pipe; rings that were not heard yet are one."""

    def __init__(self, *, blocking: bool) -> None:
        if hasattr(os, "eventfd"):
            flags = os.EFD_CLOEXEC | (0 if blocking else os.EFD_NONBLOCK)
            self.fd = self.write_fd = os.eventfd(0, flags)
        else:
            self.fd, self.write_fd = os.pipe()
            os.set_blocking(self.fd, blocking)
            os.set_blocking(self.write_fd, False)

    def ring(self) -> None:
        try:
            os.write(self.write_fd, RING)
        except BlockingIOError:
            pass  # it rings already

    def drain(self) -> None:
        """Take all rings so far; waits for one when blocking, else there may be none."""
        try:
            os.read(self.fd, 64)
        except BlockingIOError:
            pass

    def close(self) -> None:
        os.close(self.fd)
        if self.write_fd != self.fd:
            os.close(self.write_fd)
