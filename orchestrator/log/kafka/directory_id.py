"""The id of a data directory, by which a node knows its own dead predecessor in the group."""

import json
import secrets
from typing import Final

from orchestrator.log.files import UNFINISHED, Files, write_whole

_NAME: Final = "node.json"


def directory_id(files: Files) -> str:
    """The id kept in the directory; made when there is none. Raises `OSError`."""
    if _NAME in files.names():
        file = files.open(_NAME)
        try:
            return str(json.loads(file.read_at(0, 4096))["directory"])
        except (ValueError, KeyError, TypeError):
            pass  # damaged: a new one costs a wait of one session at the next start
        finally:
            file.close()
    made = secrets.token_hex(8)
    file = files.create(_NAME + UNFINISHED)
    try:
        write_whole(file, 0, json.dumps({"directory": made}).encode() + b"\n")
        file.sync()
    finally:
        file.close()
    files.rename(_NAME + UNFINISHED, _NAME)
    files.sync_names()
    return made
