"""How many files and sockets this process may have open, and who may take how many.

Without limits a flood of clients would leave no descriptors for segments of the log and tables of
stores, which must always be had. So each room that takes sockets has a limit, and the rest is for
files.
"""

import contextlib
import resource
from typing import Final, NamedTuple

from orchestrator.model.operating import OperatingError

_OWN: Final = 128  # the log, Kafka clients, the metadata, operators, the process itself
_STORE_LEAST: Final = 32  # of one partition, while its tables are few
_STORE_MOST: Final = 264  # its table cache, and what RocksDB has open besides
_CALLERS_LEAST: Final = 64
_REFUSED_MOST: Final = 256
_CONNECTIONS_MOST: Final = 20_000
_ATTEMPTS_MOST: Final = 1_000
_ENOUGH: Final = 1 << 20  # when there is no limit


class Shares(NamedTuple):
    """Limits on what takes a file each."""

    connections: int  # of callers that are served
    refused: int  # of callers that are told that there are too many
    attempts: int  # of one deployment over HTTP/1.1


def raise_limit() -> int:
    """Let the process open as many files as it may at all; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # macOS: no more than the kernel's own limit
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return _ENOUGH if soft == resource.RLIM_INFINITY else soft


def share_out(limit: int, partitions: int) -> Shares:
    """Half of `limit` is for the log and the stores, if they need that; most of the rest for
    callers. Raises OperatingError if `limit` is too low to run at all."""
    least = _OWN + partitions * _STORE_LEAST
    needed = least + 2 * _CALLERS_LEAST
    if limit < needed:
        raise OperatingError(
            "PD0211",
            f"This process may open {limit} files; with {partitions} partitions it needs {needed}.",
            "Raise the limit of open files: ulimit -n 65536.",
        )
    kept = min(_OWN + partitions * _STORE_MOST, max(least, limit // 2))
    free = limit - kept
    refused = min(_REFUSED_MOST, free // 8)
    connections = min(_CONNECTIONS_MOST, (free - refused) * 2 // 3)
    return Shares(connections, refused, min(_ATTEMPTS_MOST, free // 8))
