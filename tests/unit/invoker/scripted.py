"""A service endpoint over HTTP/2 that does exactly what a test tells it, well or badly."""

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import ngh2

from orchestrator.registry.discovery import DiscoveryTarget
from perdure import wire
from perdure.wire import Message, decode_frame, encode, media_type

MANIFEST: dict[str, Any] = {
    "protocolMode": "BIDI_STREAM",
    "minProtocolVersion": 5,
    "maxProtocolVersion": 7,
    "services": [
        {"name": "Svc", "ty": "SERVICE", "handlers": [{"name": "run"}, {"name": "other"}]},
        {
            "name": "Obj",
            "ty": "VIRTUAL_OBJECT",
            "handlers": [{"name": "run"}, {"name": "look", "ty": "SHARED"}],
        },
        {
            "name": "Flow",
            "ty": "WORKFLOW",
            "handlers": [{"name": "run", "ty": "WORKFLOW"}, {"name": "look", "ty": "SHARED"}],
        },
    ],
}
OUT = encode(wire.OutputCommand(value=b"out"))
END = encode(wire.End())


class Served:
    """One request as the service sees it."""

    def __init__(
        self,
        connection: "_Connection",
        stream_id: int,
        headers: dict[str, str],
        headers_ended: bool,
    ) -> None:
        self._connection = connection
        self._reader = wire.FrameReader(1 << 30)
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self.id = stream_id
        self.headers = headers
        self.ended = asyncio.Event()
        self.was_reset = asyncio.Event()
        self.data_frames: list[tuple[bytes, bool]] = []
        if headers_ended:
            self.ended.set()

    @property
    def version(self) -> int:
        return int(self.headers["content-type"].rpartition(".v")[2])

    def took(self, data: bytes, end: bool) -> None:
        self.data_frames.append((data, end))
        for code, _, frame in self._reader.feed(data):
            self._messages.put_nowait(decode_frame(code, frame))
        if end:
            self.ended.set()
            self._messages.put_nowait(None)

    async def message(self) -> Message:
        """The next message of the request."""
        message = await self._messages.get()
        assert message is not None, "the request ended"
        return message

    async def start(self) -> list[Message]:
        """Start and all known entries."""
        first = await self.message()
        assert isinstance(first, wire.Start)
        return [first] + [await self.message() for _ in range(first.known_entries)]

    def respond(self, status: int = 200, content_type: str | None = None, **headers: str) -> None:
        kind = media_type(self.version) if content_type is None else content_type
        head = [(b":status", str(status).encode()), (b"content-type", kind.encode())]
        head += [(k.replace("_", "-").encode(), v.encode()) for k, v in headers.items()]
        self._connection.h2.send_response(self.id, head)
        self._connection.flush()

    def send(self, *frames: bytes) -> None:
        for frame in frames:
            self._connection.h2.send_data(self.id, frame)
        self._connection.flush()

    def say(self, *messages: Message, flags: int = 0) -> None:
        self.send(*(encode(m, version=self.version, flags=flags) for m in messages))

    def end(self) -> None:
        self._connection.h2.end_stream(self.id)
        self._connection.flush()

    def trailers(self) -> None:
        self._connection.h2.send_trailers(self.id, [(b"grpc-status", b"0")])
        self._connection.flush()

    def reset(self, code: int = 2) -> None:
        self._connection.h2.reset_stream(self.id, code)
        self._connection.flush()

    def cut(self) -> None:
        """Drop the whole connection."""
        self._connection.abort()

    def write_raw(self, data: bytes) -> None:
        self._connection.write_raw(data)

    def go_away(self, last_stream_id: int) -> None:
        self._connection.h2.send_goaway(0, last_stream_id=last_stream_id)
        self._connection.flush()

    async def finish(self, output: bytes = OUT) -> None:
        """Output and End; then the response ends once the request has, as SDKs do."""
        self.send(output + END)
        await self.ended.wait()
        self.end()


Script = Callable[[Served], Awaitable[None]]


class _Connection(asyncio.Protocol):
    def __init__(self, service: "ScriptedService") -> None:
        self._service = service
        self._transport: Any = None
        self._auto = not service.hold_windows
        self.h2 = ngh2.Connection(
            ngh2.Role.SERVER, ngh2.Configuration(auto_window_update=self._auto)
        )
        self.streams: dict[int, Served] = {}
        self._unread_bytes: dict[int, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._service.connections.append(self)
        self.h2.initiate_connection({3: self._service.streams_max})
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        for served in self.streams.values():
            served.was_reset.set()

    def data_received(self, data: bytes) -> None:
        self.h2.receive_data(data)
        for event in self.h2.events():
            self._on_event(event)
        self.flush()

    def _on_event(self, event: ngh2.Event) -> None:
        if isinstance(event, ngh2.RequestReceived):
            headers = {k.decode(): v.decode() for k, v in event.headers}
            served = Served(self, event.stream_id, headers, event.end_stream)
            self.streams[event.stream_id] = served
            self._service.serve(served)
        elif isinstance(event, ngh2.DataReceived):
            self.streams[event.stream_id].took(event.data, event.end_stream)
            if not self._auto:
                unread_bytes = self._unread_bytes.get(event.stream_id, 0)
                self._unread_bytes[event.stream_id] = unread_bytes + len(event.data)
                if not self._service.hold_windows:
                    self.give_windows_back()
        elif isinstance(event, ngh2.StreamReset):
            self.streams[event.stream_id].was_reset.set()

    def give_windows_back(self) -> None:
        unread_bytes, self._unread_bytes = self._unread_bytes, {}
        for stream_id, size_bytes in unread_bytes.items():
            if size_bytes:
                self.h2.acknowledge_received_data(size_bytes, stream_id)
        self.flush()

    def flush(self) -> None:
        data = self.h2.data_to_send()
        if data and self._transport is not None:
            self._transport.write(data)

    def write_raw(self, data: bytes) -> None:
        self._transport.write(data)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


class ScriptedService:
    """An endpoint on a free port; `scripts` run in turn, one per request, the last for ever."""

    def __init__(
        self, *scripts: Script, manifest: dict[str, Any] | None = None, streams_max: int = 1000
    ) -> None:
        self._scripts = list(scripts)
        self._manifest = MANIFEST if manifest is None else manifest
        self.streams_max = streams_max
        self.hold_windows = False  # of connections that are made meanwhile: it does not read
        self.connections: list[_Connection] = []
        self.requests: list[Served] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.errors: list[BaseException] = []
        self.port = 0
        self.scheme = "http"

    @property
    def target(self) -> DiscoveryTarget:
        return DiscoveryTarget(f"{self.scheme}://127.0.0.1:{self.port}/")

    async def start(self, tls: ssl.SSLContext | None = None) -> "ScriptedService":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self.port, ssl=tls
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self.scheme = "http" if tls is None else "https"
        return self

    def give_windows_back(self) -> None:
        """It reads again."""
        self.hold_windows = False
        for connection in self.connections:
            connection.give_windows_back()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for connection in self.connections:
            connection.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.sleep(0)
        if self.errors:
            raise self.errors[0]

    def serve(self, served: Served) -> None:
        if served.headers[":path"].endswith("/discover"):
            served.respond(
                content_type="application/vnd.restate.endpointmanifest.v4+json",
                x_restate_server="scripted/1.0",
            )
            served.send(json.dumps(self._manifest).encode())
            served.end()
            return
        self.requests.append(served)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        task = asyncio.get_running_loop().create_task(self._run(script, served))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, script: Script, served: Served) -> None:
        try:
            await script(served)
        except (AssertionError, ngh2.NGH2Error) as error:
            self.errors.append(error)
