"""What people read of an exception that nobody handled: a code and a line, no traceback."""

import errno
import logging
import traceback

from orchestrator.model.operating import OperatingError

_log = logging.getLogger("perdure")
_NO_MORE_FILES = (errno.EMFILE, errno.ENFILE)


def said_of(error: Exception) -> str:
    """The line for stderr. The traceback of what nobody foresaw goes to the log, at debug."""
    if isinstance(error, OperatingError):
        return str(error)
    if isinstance(error, OSError) and error.errno in _NO_MORE_FILES:
        return str(
            OperatingError(
                "PD0210",
                "The system refuses to open more files.",
                "Raise the limit of open files: ulimit -n 65536.",
            )
        )
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
