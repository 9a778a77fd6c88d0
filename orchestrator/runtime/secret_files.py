"""Files that hold a secret: who else may read or change them."""

import logging
import stat
from functools import cache
from pathlib import Path

_log = logging.getLogger("perdure.node")

_TOO_MUCH = stat.S_IRWXO | stat.S_IWGRP  # a group may read: that is how secrets are mounted


@cache
def warn_of_open_file(path: Path, what: str) -> None:
    """Say once if users of the machine whom it does not concern may read or change a secret."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return  # whoever reads it says so
    if mode & _TOO_MUCH:
        _log.warning(
            "%s %s is open to other users (mode %04o): chmod 600 it, and replace what it holds"
            " if they may have read it",
            what,
            path,
            mode,
        )
