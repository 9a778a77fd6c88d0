"""Log lines of the process: one tree of loggers, `perdure…`, as text or as JSON.

Levels: debug, what a developer asks for; info, what an operator wants to have seen once; warning,
something is worse than it should be, and the server goes on or tries again; error, a person is
needed; critical, the process ends.
"""

import json
import logging
import re
import sys
from datetime import datetime
from typing import Final, TextIO

FORMATS: Final = ("text", "json")
# Libraries log under names of their own; people see the room that uses them.
_ROOMS: Final = {
    "uvicorn": "perdure.admin",
    "asyncio": "perdure.loop",
    "concurrent": "perdure.loop",
    "py": "perdure.python",  # py.warnings
}
_CODE: Final = re.compile(r"((?:PD|RT|META)\d{4})\b:? ?")


def log_to(stream: TextIO, level: str, form: str) -> None:
    """Everything that is logged from now on goes to `stream`."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    log_by(handler, level)


def log_by(handler: logging.Handler, level: str) -> None:
    """Everything that is logged from now on is given to `handler`."""
    root = logging.getLogger()
    for other in list(root.handlers):
        root.removeHandler(other)
    root.addHandler(handler)
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    for name in ("asyncio", "uvicorn"):  # they log each connection
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def log_to_stderr(level: str, form: str) -> None:
    log_to(sys.stderr, level, form)


def logger_of(name: str) -> str:
    """The name of a logger within the one tree."""
    first = name.partition(".")[0]
    return name if first == "perdure" else _ROOMS.get(first, f"perdure.{name}")


def _time(record: logging.LogRecord) -> str:
    """ISO 8601 with milliseconds and the zone."""
    moment = datetime.fromtimestamp(record.created).astimezone()
    return moment.isoformat(timespec="milliseconds")


class TextLines(logging.Formatter):
    """`2026-01-31T12:00:00.000+00:00 WARNING perdure.node what happened`"""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        return f"{_time(record)} {record.levelname:<7} {logger_of(record.name)} {message}"


class JsonLines(logging.Formatter):
    """One object a line; `code` is that of the table of errors, `error` a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        line = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": logger_of(record.name),
            "message": message,
        }
        code = _CODE.match(message)
        if code is not None:
            line |= {"code": code[1], "message": message[code.end() :]}
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)
