"""Loads and serves the admin API beside a node that already takes calls.

Who restarts after a crash waits for the ingress. So the admin API, a quarter of all that a start
has to import, is loaded in a thread, once the ingress takes calls, or after PATIENCE_S.
"""

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from msgspec.structs import replace

from orchestrator.config.options import NodeOptions
from orchestrator.node.parts import Parts
from orchestrator.sql.errors import QueryError

if TYPE_CHECKING:
    from orchestrator.node.admin_server import AdminServer

PATIENCE_S = 5.0  # then operators are told why it takes long


class AdminFace:
    """The admin API on a socket that listens from the start; who comes early waits."""

    def __init__(self, parts: Parts, options: NodeOptions, listening: socket.socket) -> None:
        self._parts = parts
        self._options = options
        self._listening = listening
        self._server: AdminServer | None = None

    async def serve_after(self, ready: asyncio.Event) -> None:
        """Returns once the API answers."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), PATIENCE_S)
        server = await asyncio.to_thread(_load, self._parts, self._options)
        await server.start(self._listening)
        self._server = server

    async def stop(self, grace_s: float) -> None:
        if self._server is not None:
            await self._server.stop(grace_s)
        self._listening.close()


def _load(parts: Parts, options: NodeOptions) -> "AdminServer":
    from orchestrator.admin.app import create_admin
    from orchestrator.node.admin_server import AdminServer

    server = options.server
    admin_options = replace(
        options.admin,
        ingress_endpoint=server.ingress_url + "/",
        cluster_name=server.cluster,
        protocol_max=options.invoker.protocol_max,
        payload_bytes_max=server.payload_bytes_max,
    )
    app = create_admin(
        parts.processor.engine,
        parts.metadata,
        parts.discovery.discover,
        parts.query,
        admin_options,
        query_errors=(QueryError,),
        convert=parts.serdes.convert,
        brokers=parts.brokers,
        look_at_subscriptions=parts.intake.look_at_subscriptions,
        broker_troubles=lambda: parts.processor.broker_troubles() | parts.intake.broker_troubles(),
        clock=parts.clock,
        entropy=parts.entropy,
        telemetry=parts.telemetry,
    )
    return AdminServer(app, admin_options.body_bytes_max)
