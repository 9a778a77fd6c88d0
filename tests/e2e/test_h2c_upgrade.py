"""A request that offers an upgrade to h2c keeps its body: Java's client sends it by default."""

from __future__ import annotations

import json
import socket

import pytest

from tests.e2e.conftest import AnyServer
from tests.parts.client import fresh
from tests.parts.typescript_services import TypeScriptServices


def exchange(base: str, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send raw bytes; the status, headers and body of the answer, read to the end."""
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10.0) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def upgrade_request(path: str, body: bytes, chunked: bool = False) -> bytes:
    head = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: Upgrade, HTTP2-Settings, close",
        "Upgrade: h2c",
        "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
        "Content-Type: application/json",
    ]
    if chunked:
        head.append("Transfer-Encoding: chunked")
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    else:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def unchunked(headers: dict[str, str], body: bytes) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return body
    parts = []
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        parts.append(rest[:length])
        body = rest[length + 2 :]
    return b"".join(parts)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [10, 200_000])
def test_the_ingress_keeps_the_body(shared_server: AnyServer, size: int, chunked: bool) -> None:
    text = fresh() + "x" * size
    request = upgrade_request("/TestUtilsService/echo", json.dumps(text).encode(), chunked)
    status, headers, body = exchange(shared_server.ingress, request)
    assert status == 200
    assert json.loads(unchunked(headers, body)) == text


def test_the_admin_port_keeps_the_body(
    shared_server: AnyServer, typescript: TypeScriptServices
) -> None:
    body = json.dumps({"uri": typescript.uri}).encode()
    status, headers, answer = exchange(shared_server.admin, upgrade_request("/deployments", body))
    assert status == 200
    assert json.loads(unchunked(headers, answer))["id"].startswith("dp_")
