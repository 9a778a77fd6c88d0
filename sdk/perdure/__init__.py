"""Durable execution in ordinary functions.

Names are loaded when they are asked for: a server that reads the protocol by `perdure.wire` does
not load what users write services with.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.blocking import SyncContext as SyncContext
    from perdure.client.aio import AsyncClient as AsyncClient
    from perdure.client.aio import AsyncHandle as AsyncHandle
    from perdure.client.sync import Client as Client
    from perdure.client.sync import Handle as Handle
    from perdure.context import Context as Context
    from perdure.context import current_context as current_context
    from perdure.durable import step as step
    from perdure.errors import BadDefinition as BadDefinition
    from perdure.errors import BadValue as BadValue
    from perdure.errors import Cancelled as Cancelled
    from perdure.errors import DurableTimeout as DurableTimeout
    from perdure.errors import Misuse as Misuse
    from perdure.errors import MisuseWarning as MisuseWarning
    from perdure.errors import NotReady as NotReady
    from perdure.errors import Pause as Pause
    from perdure.errors import RequestRefused as RequestRefused
    from perdure.errors import RetryAfter as RetryAfter
    from perdure.errors import Terminal as Terminal
    from perdure.futures import Future as Future
    from perdure.futures import Outcome as Outcome
    from perdure.interfaces import iface as iface
    from perdure.invocation_request import InvocationRequest as InvocationRequest
    from perdure.invocations import CallFuture as CallFuture
    from perdure.invocations import SendHandle as SendHandle
    from perdure.kafka import Produced as Produced
    from perdure.keyed import ObjectContext as ObjectContext
    from perdure.keyed import ObjectSharedContext as ObjectSharedContext
    from perdure.keyed import WorkflowContext as WorkflowContext
    from perdure.keyed import WorkflowSharedContext as WorkflowSharedContext
    from perdure.marks import handler as handler
    from perdure.marks import run as run
    from perdure.marks import shared as shared
    from perdure.promises import DurablePromise as DurablePromise
    from perdure.retry import Retry as Retry
    from perdure.serde import Serde as Serde
    from perdure.service import Object as Object
    from perdure.service import Service as Service
    from perdure.service import Workflow as Workflow
    from perdure.transports.serving import app as app
    from perdure.typed_state import state as state

# The public list: a test holds it equal to what type checkers see above.
_HOMES = {
    "Context": "context",
    "ObjectContext": "keyed",
    "ObjectSharedContext": "keyed",
    "WorkflowContext": "keyed",
    "WorkflowSharedContext": "keyed",
    "SyncContext": "blocking",
    "Future": "futures",
    "Outcome": "futures",
    "DurablePromise": "promises",
    "SendHandle": "invocations",
    "CallFuture": "invocations",
    "step": "durable",
    "app": "transports.serving",
    "InvocationRequest": "invocation_request",
    "current_context": "context",
    "RequestRefused": "errors",
    "NotReady": "errors",
    "Handle": "client.sync",
    "Client": "client.sync",
    "AsyncHandle": "client.aio",
    "AsyncClient": "client.aio",
    "BadDefinition": "errors",
    "BadValue": "errors",
    "Cancelled": "errors",
    "DurableTimeout": "errors",
    "Misuse": "errors",
    "MisuseWarning": "errors",
    "Object": "service",
    "Pause": "errors",
    "Produced": "kafka",
    "Retry": "retry",
    "RetryAfter": "errors",
    "Serde": "serde",
    "Service": "service",
    "Terminal": "errors",
    "Workflow": "service",
    "handler": "marks",
    "iface": "interfaces",
    "run": "marks",
    "shared": "marks",
    "state": "typed_state",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"perdure has no {name!r}", name=name)
    found = getattr(import_module(f"perdure.{home}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
