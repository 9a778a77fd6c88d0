"""The names of `restate-sdk` (Python): `import perdure.compat as restate` and nothing else changed.

Services, contexts, futures, serdes, errors, the client, the test harness, and the preview of
explicit recovery. Left out is what needs Restate's own cloud: `connect` and `with_connection` raise
`ConnectError`.
Better than there: dataclasses are rebuilt from JSON, and an input that does not parse is code 400.
"""

from perdure.compat import logging
from perdure.compat.asyncio import as_completed, gather, select, wait_completed
from perdure.compat.calls import ScopedContext
from perdure.compat.client import create_client
from perdure.compat.client_types import HttpError, RestateClient, RestateClientSendHandle
from perdure.compat.connection import ConnectError, connect, with_connection
from perdure.compat.context import (
    Context,
    DurablePromise,
    ObjectContext,
    ObjectSharedContext,
    RunOptions,
    WorkflowContext,
    WorkflowSharedContext,
)
from perdure.compat.endpoint import app
from perdure.compat.entry_codec import JournalValueCodec, JournalValueCodecProvider
from perdure.compat.exceptions import (
    SdkInternalBaseException,
    TerminalError,
    is_internal_exception,
)
from perdure.compat.futures import (
    RestateDurableCallFuture,
    RestateDurableFuture,
    RestateDurableSleepFuture,
    SendHandle,
)
from perdure.compat.harness import HarnessEnvironment, create_test_harness, test_harness
from perdure.compat.logging import RestateLoggingFilter, getLogger
from perdure.compat.object import VirtualObject
from perdure.compat.retry_policy import InvocationRetryPolicy
from perdure.compat.service import Service
from perdure.compat.workflow import Workflow

__all__ = [
    "ConnectError",
    "Context",
    "DurablePromise",
    "HarnessEnvironment",
    "HttpError",
    "InvocationRetryPolicy",
    "JournalValueCodec",
    "JournalValueCodecProvider",
    "ObjectContext",
    "ObjectSharedContext",
    "RestateClient",
    "RestateClientSendHandle",
    "RestateDurableCallFuture",
    "RestateDurableFuture",
    "RestateDurableSleepFuture",
    "RestateLoggingFilter",
    "RunOptions",
    "ScopedContext",
    "SdkInternalBaseException",
    "SendHandle",
    "Service",
    "TerminalError",
    "VirtualObject",
    "Workflow",
    "WorkflowContext",
    "WorkflowSharedContext",
    "app",
    "as_completed",
    "connect",
    "create_client",
    "create_test_harness",
    "gather",
    "getLogger",
    "is_internal_exception",
    "logging",
    "select",
    "test_harness",
    "wait_completed",
    "with_connection",
]
