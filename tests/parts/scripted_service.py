"""A service endpoint that misbehaves by script: raw HTTP/1.1, one behaviour a handler."""

from __future__ import annotations

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST_TYPE = "application/vnd.restate.endpointmanifest.v3+json"

Behaviour = Callable[["Exchange"], None]


def frame(kind: int, payload: bytes, length: int | None = None) -> bytes:
    """A frame of the service protocol; `length` makes its header lie."""
    size = len(payload) if length is None else length
    return kind.to_bytes(2, "big") + b"\0\0" + size.to_bytes(4, "big") + payload


def field(number: int, content: bytes) -> bytes:
    """A length-delimited protobuf field, for contents below 128 bytes."""
    assert len(content) < 128
    return bytes([number << 3 | 2, len(content)]) + content


def output(text: str) -> bytes:
    """OutputCommand with a JSON text, and End."""
    value = field(1, json.dumps(text).encode())
    return frame(0x0401, field(14, value)) + frame(0x0003, b"")


class Exchange:
    """One request for an attempt: its number, and ways to answer it."""

    def __init__(self, request: BaseHTTPRequestHandler, attempt: int) -> None:
        self.request = request
        self.attempt = attempt
        self.content_type = request.headers["content-type"]

    def answer(
        self,
        body: bytes,
        status: int = 200,
        content_type: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.request.send_response(status)
        self.request.send_header("content-type", content_type or self.content_type)
        self.request.send_header("content-length", str(len(body)))
        for name, value in (headers or {}).items():
            self.request.send_header(name, value)
        self.request.end_headers()
        self.request.wfile.write(body)

    def reset(self) -> None:
        """Close the connection without a word."""
        self.request.close_connection = True
        self.request.connection.shutdown(socket.SHUT_RDWR)

    def raw(self, data: bytes) -> None:
        """Write bytes as they are, then close."""
        self.request.wfile.write(data)
        self.request.wfile.flush()
        self.reset()


class ScriptedService:
    """Serves `behaviours` (by handler) as the plain service `name`; counts attempts of each."""

    def __init__(self, name: str, behaviours: dict[str, Behaviour]) -> None:
        self.name = name
        self.behaviours = behaviours
        self.attempts: Counter[str] = Counter()
        self.manifest: Any = self.good_manifest()
        self.manifest_type = MANIFEST_TYPE
        self.manifest_status = 200
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self._server.server_address[1]}"

    def good_manifest(self) -> dict[str, Any]:
        handlers = [{"name": handler} for handler in self.behaviours]
        service = {"name": self.name, "ty": "SERVICE", "handlers": handlers}
        return {
            "protocolMode": "REQUEST_RESPONSE",
            "minProtocolVersion": 5,
            "maxProtocolVersion": 6,
            "services": [service],
        }

    def __enter__(self) -> ScriptedService:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()

    def _discover(self, request: BaseHTTPRequestHandler) -> None:
        manifest = self.manifest
        body = manifest if isinstance(manifest, bytes) else json.dumps(manifest).encode()
        request.send_response(self.manifest_status)
        request.send_header("content-type", self.manifest_type)
        request.send_header("content-length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _invoke(self, request: BaseHTTPRequestHandler) -> None:
        _read_body(request)
        handler = request.path.rsplit("/", 1)[1]
        self.attempts[handler] += 1
        self.behaviours[handler](Exchange(request, self.attempts[handler]))

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                service._discover(self)

            def do_POST(self) -> None:
                service._invoke(self)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def _read_body(request: BaseHTTPRequestHandler) -> None:
    """Read the request to its end, whatever way its length is told."""
    if request.headers.get("transfer-encoding", "").lower() != "chunked":
        request.rfile.read(int(request.headers.get("content-length", "0")))
        return
    while size := int(request.rfile.readline().split(b";")[0], 16):
        request.rfile.read(size + 2)
    request.rfile.readline()
