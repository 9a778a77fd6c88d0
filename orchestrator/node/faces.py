"""The sockets of a node: for callers and for operators, each only where it is wanted."""

import asyncio
from collections.abc import Awaitable, Callable

from orchestrator.config.options import NodeOptions
from orchestrator.node.admin_face import AdminFace
from orchestrator.node.listening import listen
from orchestrator.node.parts import Parts
from orchestrator.runtime.kinds import Address

ANSWER_S = 0.5  # for answers that are on their way
NOWHERE = Address("", 0)


class Faces:
    """They listen from the start, and say 503 until the rooms behind them are open."""

    def __init__(
        self, parts: Parts, options: NodeOptions, ingress: bool = True, admin: bool = True
    ) -> None:
        self._parts = parts
        self._options = options
        self._has_ingress = ingress
        self._has_admin = admin
        self._admin: AdminFace | None = None
        self.ingress_address = self.admin_address = NOWHERE

    async def start(self, open_rooms: Callable[[], Awaitable[None]]) -> None:
        """Returns once everything is served. Raises CannotListen."""
        server = self._options.server
        if self._has_ingress:
            ingress = listen(server.ingress, "ingress")
            self.ingress_address = Address(*ingress.getsockname()[:2])
            await self._parts.ingress.start(ingress)
        if not self._has_admin:
            await open_rooms()
            return
        admin = listen(server.admin, "admin")
        self.admin_address = Address(*admin.getsockname()[:2])
        self._admin = AdminFace(self._parts, self._options, admin)
        ready = asyncio.Event()
        serving = asyncio.create_task(self._admin.serve_after(ready))
        try:
            await open_rooms()
            ready.set()
            await serving
        finally:
            serving.cancel()

    async def stop(self) -> None:
        """Let the answers under way go out, then close."""
        await self._parts.ingress.stop(ANSWER_S)
        if self._admin is not None:
            await self._admin.stop(ANSWER_S)
