"""Gauges of the process: memory, time, files, build. Read from /proc at a scrape."""

import os
import platform
import resource
import sys
import time
from typing import Final

from orchestrator.runtime.metrics import BUILD, CPU, FILES, FILES_MAX, RSS, STARTED
from orchestrator.runtime.telemetry import Telemetry
from orchestrator.runtime.version import own_version

_PAGE_BYTES: Final = resource.getpagesize()


def measure_process(telemetry: Telemetry, log: str) -> None:
    """Let `telemetry` ask for all of it; the start is now."""
    started_s = time.time()
    build = (own_version(), platform.python_version(), log)
    telemetry.ask(STARTED, lambda: started_s)
    telemetry.ask(BUILD, lambda: {build: 1})
    telemetry.ask(CPU, time.process_time)
    telemetry.ask(RSS, resident_bytes)
    telemetry.ask(FILES, open_files)
    telemetry.ask(FILES_MAX, lambda: resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def resident_bytes() -> int:
    """Memory that the process holds now; the most it ever held where there is no /proc."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def open_files() -> int:
    """Descriptors in use."""
    for directory in ("/proc/self/fd", "/dev/fd"):
        try:
            return len(os.listdir(directory)) - 1  # without the one that lists them
        except OSError:
            continue
    return 0
