"""The ingress on a real socket in a thread of its own, for clients that block."""

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from orchestrator.ingress.face import Ingress
from orchestrator.ingress.options import IngressOptions
from orchestrator.ingress.server import IngressServer
from tests.parts.client import Reply, http_request
from tests.parts.loops import closing_loop
from tests.unit.ingress.engine import OPTIONS, Gate, MemoryEngine, StoppedClock, registry


class Served:
    """A running ingress, its engine and its gate."""

    def __init__(self, options: IngressOptions) -> None:
        self.engine = MemoryEngine()
        self.gate = Gate()
        self.known = registry()
        clock = StoppedClock()
        face = Ingress(self.engine, lambda: self.known, clock, self.gate, options)
        self.server = IngressServer(face, clock, options)
        self.loop = uvloop.new_event_loop()
        self.address = ("", 0)

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run a function on the server's loop."""

        async def on_loop() -> Any:
            return function(*args)

        return asyncio.run_coroutine_threadsafe(on_loop(), self.loop).result(60)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Reply:
        return http_request(f"{self.address[0]}:{self.address[1]}", method, path, body, headers)

    def raw(self, data: bytes, *more: bytes) -> bytes:
        """Send bytes, read to the end of the stream."""
        with self.connect() as connection:
            connection.sendall(data)
            for part in more:
                connection.sendall(part)
            return read_all(connection)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=60)


def read_all(connection: socket.socket) -> bytes:
    chunks = []
    while chunk := connection.recv(65536):
        chunks.append(chunk)
    return b"".join(chunks)


@contextmanager
def serving(options: IngressOptions = OPTIONS) -> Iterator[Served]:
    served = Served(options)
    thread = threading.Thread(target=served.loop.run_forever, daemon=True)
    thread.start()
    listening = socket.create_server(("127.0.0.1", 0))
    served.address = listening.getsockname()
    asyncio.run_coroutine_threadsafe(served.server.start(listening), served.loop).result(60)
    try:
        yield served
    finally:
        asyncio.run_coroutine_threadsafe(served.server.stop(0.1), served.loop).result(60)
        served.loop.call_soon_threadsafe(served.loop.stop)
        thread.join(10)
        with closing_loop():
            served.loop.close()
