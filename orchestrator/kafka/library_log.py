"""The log lines of librdkafka, without those that it repeats at every attempt to connect."""

import logging
import re
from typing import Final

LIBRARY_LOG: Final = logging.getLogger("perdure.kafka.librdkafka")

_REPEAT_S: Final = 60.0
_KEPT_MAX: Final = 200
# Addresses of memory, durations and the numbers of clients and requests differ from line to line.
_VARYING: Final = re.compile(r"\d+")


class OncePerMinute(logging.Filter):
    """Lets a line through unless the same line, numbers aside, was logged in the last minute."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        text = record.getMessage()
        if text.startswith("CONFWARN"):  # options that only another kind of client takes
            return False
        shape = _VARYING.sub("", text)
        if record.created - self._seen.get(shape, 0.0) < _REPEAT_S:
            return False
        if len(self._seen) >= _KEPT_MAX:
            self._seen.clear()
        self._seen[shape] = record.created
        if "Purged in flight" in text:  # by us, of a producer that is given up: no fault of its own
            record.levelno, record.levelname = logging.INFO, logging.getLevelName(logging.INFO)
        return True


LIBRARY_LOG.addFilter(OncePerMinute())
