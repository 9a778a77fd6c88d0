"""Starts a SQL child: its limits first, then the libraries, which take memory as they are loaded.

A process of its own for one query at a time: converting rows holds the interpreter, the libraries
take 75 MB, and a query that needs too much memory ends only itself.
"""

import contextlib
import os
import resource
import signal
import sys
from pathlib import Path

NICE = 5  # calls go before queries


def limit(memory_bytes_max: int) -> None:
    """Limit the memory of this process: the system refuses more, and the process ends."""
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes_max, memory_bytes_max))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(NICE)
    # If memory runs out the system ends this process, not the server.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Serve until the server closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    memory_bytes_max = int(sys.argv[1])
    limit(memory_bytes_max)
    from orchestrator.sql.answering import Answering  # after the limit

    Answering(sys.stdin.buffer, sys.stdout.buffer, memory_bytes_max).serve()


if __name__ == "__main__":
    main()
