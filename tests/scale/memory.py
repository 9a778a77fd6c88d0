"""The resident bytes of a process while something goes on."""

import os
import threading
from pathlib import Path


class Memory:
    """Looked at ten times a second."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.peak_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now_bytes(self) -> int:
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def _watch(self) -> None:
        while not self._is_over.wait(0.1):
            try:
                self.peak_bytes = max(self.peak_bytes, self.now_bytes())
            except OSError:
                return  # the process is gone

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()
