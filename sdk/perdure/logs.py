"""Logs of handlers: silent for what an earlier attempt has logged already."""

import logging
from typing import Any, TypeAlias

from perdure.replay import Machine

Logger: TypeAlias = "logging.LoggerAdapter[logging.Logger]"

_logger = logging.getLogger("perdure.handler")


class _HandlerLogger(logging.LoggerAdapter[logging.Logger]):
    """Logs with the id of the invocation, once."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(_logger, {"invocation_id": machine.invocation_id})
        self._machine = machine

    def isEnabledFor(self, level: int) -> bool:
        return not self._machine.repeating and super().isEnabledFor(level)

    def process(self, msg: Any, kwargs: Any) -> tuple[Any, Any]:
        kwargs["extra"] = {**(self.extra or {}), **(kwargs.get("extra") or {})}
        return msg, kwargs


def logger(machine: Machine) -> Logger:
    """The logger of an attempt."""
    return _HandlerLogger(machine)
