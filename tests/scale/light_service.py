"""A service that costs little, over clear HTTP/2.

`python -m tests.scale.light_service PORT NAME...` serves these services.
"""

import asyncio
import sys
from functools import partial
from typing import Any

import ngh2
import uvloop

from perdure.wire import media_type
from tests.scale.light_attempt import Attempt
from tests.scale.light_handlers import HANDLERS, manifest

MANIFEST_TYPE = b"application/vnd.restate.endpointmanifest.v4+json"
_STREAMS_MAX = 1_000


class Connection(asyncio.Protocol):
    """Requests of the server, many on one connection, and one write for all that came at once."""

    def __init__(self) -> None:
        self._transport: Any = None
        self._h2 = ngh2.Connection(ngh2.Role.SERVER, ngh2.Configuration(auto_window_update=True))
        self._attempts: dict[int, Attempt] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._h2.initiate_connection({3: _STREAMS_MAX})
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._h2.receive_data(data)
        for event in self._h2.events():
            self._take(event)
        self._flush()

    def _take(self, event: ngh2.Event) -> None:
        if isinstance(event, ngh2.RequestReceived):
            self._begin(event.stream_id, dict(event.headers))
        elif isinstance(event, ngh2.DataReceived):
            attempt = self._attempts.get(event.stream_id)
            if attempt is not None:
                attempt.take(event.data, event.end_stream)
        elif isinstance(event, ngh2.StreamReset):
            self._attempts.pop(event.stream_id, None)

    def _begin(self, stream_id: int, headers: dict[bytes, bytes]) -> None:
        path = headers[b":path"].decode()
        if path.endswith("/discover"):
            head = [(b":status", b"200"), (b"content-type", MANIFEST_TYPE)]
            self._h2.send_response(stream_id, head)
            self._say(stream_id, manifest(sys.argv[2:]), True)
            return
        version = int(headers[b"content-type"].rpartition(b".v")[2])
        head = [(b":status", b"200"), (b"content-type", media_type(version).encode())]
        self._h2.send_response(stream_id, head)
        handler = HANDLERS["/".join(path.rsplit("/", 2)[1:])]
        self._attempts[stream_id] = Attempt(handler, version, partial(self._say, stream_id))

    def _say(self, stream_id: int, data: bytes, is_end: bool) -> None:
        if data:
            self._h2.send_data(stream_id, data)
        if is_end:
            self._h2.end_stream(stream_id)
            self._attempts.pop(stream_id, None)

    def _flush(self) -> None:
        while data := self._h2.data_to_send():
            self._transport.write(data)


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
