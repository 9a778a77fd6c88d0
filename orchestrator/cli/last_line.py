"""The last line of a command that an exception ended: a code and a text, no traceback."""

import errno
import logging
import traceback

from orchestrator.model.operating import OperatingError

_log = logging.getLogger("perdure")
_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE)


def said_of_system(error: OSError) -> str:
    """The line for stderr of what the system refused to a command."""
    if error.errno in _NO_MORE_FILES:
        return str(
            OperatingError(
                "PD0210",
                "The system refuses to open more files.",
                "Raise the limit of open files: ulimit -n 65536.",
            )
        )
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename else why


def said_of(error: Exception) -> str:
    """The line for stderr. The traceback of an unexpected error goes to the log, at debug."""
    if isinstance(error, OperatingError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NO_MORE_FILES:
        return said_of_system(error)
    _log.debug("an error of the software", exc_info=error)
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return str(
        OperatingError(
            "PD0003",
            f"This should not happen: {type(error).__name__}: {error}{where}.",
            "PERDURE_LOG_LEVEL=debug shows more; please report it.",
        )
    )
