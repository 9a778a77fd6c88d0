"""The data directory of a log: one process at a time, and its errors as refusals."""

from collections.abc import Callable
from pathlib import Path

from orchestrator.log.files import Files
from orchestrator.log.port import LogRefused


def take_directory(make_files: Callable[[], Files], directory: Path) -> Files:
    """Its files, locked for this process; raises `LogRefused`."""
    try:
        files = make_files()
        holder = files.lock()
    except OSError as error:
        raise refuse_files(error) from error
    if holder:
        raise LogRefused(
            "PD0103",
            f"The data directory {directory} is in use by {holder}.",
            "Stop that server, or give this one another --data-dir.",
        )
    return files


def refuse_files(error: OSError) -> LogRefused:
    return LogRefused(
        "PD0106",
        f"The files of the log in the data directory cannot be opened: {error}.",
        "See that the directory can be written to and that its device has space left.",
    )
