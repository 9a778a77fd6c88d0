"""Loggers that are silent on replay, by the names of `restate.logging`."""

import logging

from perdure.compat.context import current_context


class RestateLoggingFilter(logging.Filter):
    """Drops what an earlier attempt of the running handler has logged already."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not super().filter(record):
            return False
        ctx = current_context()
        return ctx is None or not ctx._ours.machine.repeating


def getLogger(name: str | None = None) -> logging.Logger:
    """Return a logger with the filter."""
    found = logging.getLogger(name)
    if not any(isinstance(one, RestateLoggingFilter) for one in found.filters):
        found.addFilter(RestateLoggingFilter())
    return found
