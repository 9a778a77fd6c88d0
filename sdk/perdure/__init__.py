"""Durable execution in ordinary functions."""

from perdure.errors import (
    BadDefinition,
    BadValue,
    Cancelled,
    DurableTimeout,
    Misuse,
    Pause,
    RetryAfter,
    Terminal,
)
from perdure.marks import handler, run, shared
from perdure.retry import Retry
from perdure.serde import Serde
from perdure.service import Object, Service, Workflow
from perdure.typed_state import state

__all__ = [
    "BadDefinition",
    "BadValue",
    "Cancelled",
    "DurableTimeout",
    "Misuse",
    "Object",
    "Pause",
    "Retry",
    "RetryAfter",
    "Serde",
    "Service",
    "Terminal",
    "Workflow",
    "handler",
    "run",
    "shared",
    "state",
]
