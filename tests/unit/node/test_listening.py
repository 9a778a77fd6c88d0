"""Clients that come all at once are kept by the kernel until a busy loop accepts them."""

import socket
from contextlib import ExitStack

import pytest
import uvloop
from starlette.applications import Starlette

from orchestrator.ingress.face import Ingress
from orchestrator.ingress.server import IngressServer
from orchestrator.node.admin_server import AdminServer
from orchestrator.node.listening import listen
from orchestrator.runtime.kinds import Address
from tests.unit.ingress.engine import OPTIONS, Gate, MemoryEngine, StoppedClock, registry

_CLIENTS = 400
# A connection that the kernel drops is tried again after a second.
_CONNECT_TIMEOUT_S = 0.7


def _ingress() -> IngressServer:
    clock = StoppedClock()
    face = Ingress(MemoryEngine(), registry, clock, Gate(), OPTIONS)
    return IngressServer(face, clock, OPTIONS)


async def _meet_many(server: IngressServer | AdminServer) -> None:
    listening = listen(Address("127.0.0.1", 0), "ingress")
    address = listening.getsockname()
    await server.start(listening)
    try:
        with ExitStack() as clients:
            for _ in range(_CLIENTS):  # the loop has no chance to accept meanwhile
                clients.enter_context(socket.create_connection(address, _CONNECT_TIMEOUT_S))
    finally:
        await server.stop(0)


@pytest.mark.parametrize("server", [_ingress, lambda: AdminServer(Starlette())])
def test_many_clients_connect_while_the_loop_is_busy(server: object) -> None:
    assert callable(server)
    uvloop.run(_meet_many(server()))
