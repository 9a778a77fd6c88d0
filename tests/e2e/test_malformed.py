"""Bytes that are no request, or a wrong one: refused, and the next caller is served as ever."""

from __future__ import annotations

import socket

import pytest

from tests.e2e.conftest import SERVER_CLASS, AnyServer
from tests.parts.client import Client
from tests.parts.server import PerdureServer

OVERSIZE = 40 * 1024 * 1024


def post(path: str, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", "Connection: close", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


JSON = "Content-Type: application/json"
ECHO = "/TestUtilsService/echo"

REQUESTS: dict[str, bytes] = {
    "garbage": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 10,
    "a word": b"HELLO\r\n\r\n",
    "no version": b"GET /restate/health\r\n\r\n",
    "a version of its own": b"GET /restate/health HTTP/9.9\r\nHost: x\r\n\r\n",
    "a negative length": post(ECHO, JSON, "Content-Length: -1", body=b'"x"'),
    "a length in words": post(ECHO, JSON, "Content-Length: three", body=b'"x"'),
    "two lengths": post(ECHO, JSON, "Content-Length: 3", "Content-Length: 5", body=b'"x"xx'),
    "length and chunks": post(
        ECHO, JSON, "Content-Length: 3", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"
    ),
    "a chunk size in words": post(
        ECHO, JSON, "Transfer-Encoding: chunked", body=b"three\r\nabc\r\n0\r\n\r\n"
    ),
    "a header without a colon": post(ECHO, JSON, "nonsense", "Content-Length: 3", body=b'"x"'),
    "a space in a header name": post(ECHO, JSON, "Bad Name: x", "Content-Length: 3", body=b'"x"'),
    "a huge header": post(ECHO, JSON, "X-Big: " + "x" * 1_000_000, "Content-Length: 0"),
    "many headers": post(
        ECHO, JSON, *(f"X-{number}: x" for number in range(20_000)), "Content-Length: 0"
    ),
    "a huge path": post("/" + "x" * 1_000_000, "Content-Length: 0"),
    "a bad escape": post("/Counter/%zz/add", JSON, "Content-Length: 1", body=b"1"),
    "a key that is no text": post("/Counter/%ff%fe/add", JSON, "Content-Length: 1", body=b"1"),
    "a body too long to be sent": post(ECHO, JSON, f"Content-Length: {OVERSIZE}"),
    "control characters in the path": b"POST /Counter/\x01/add HTTP/1.1\r\nHost: x\r\n\r\n",
}

ADMIN_REQUESTS: dict[str, bytes] = {
    "no body": post("/deployments", JSON, "Content-Length: 0"),
    "not json": post("/deployments", JSON, "Content-Length: 1", body=b"{"),
    "a query in words": post("/query", JSON, "Content-Length: 5", body=b"hello"),
    "a query without one": post("/query", JSON, "Content-Length: 2", body=b"{}"),
    "an id that is none": b"PATCH /invocations/nonsense/kill HTTP/1.1\r\n"
    b"Host: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "a batch of nonsense": post(
        "/internal/invocations_batch_operations/kill",
        JSON,
        "Content-Length: 29",
        body=b'{"invocation_ids": ["wrong"]}',
    ),
}


def status_of(base: str, request: bytes) -> int | None:
    """The status of the answer, None where the connection was closed without one."""
    host, port = base.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10.0) as connection:
        received = b""
        try:
            connection.sendall(request)
            while chunk := connection.recv(65_536):
                received += chunk
        except (ConnectionResetError, BrokenPipeError):
            pass
    if not received.startswith(b"HTTP/1.1 "):
        return None
    return int(received.split(b" ", 2)[1])


def still_well(client: Client) -> None:
    assert client.call(("TestUtilsService", "echo"), "well") == "well"
    client.admin_request("GET", "/health").expect(200)


@pytest.mark.parametrize("name", sorted(REQUESTS))
@pytest.mark.parametrize("face", ["ingress", "admin"])
def test_malformed_requests(shared_server: AnyServer, client: Client, face: str, name: str) -> None:
    base = shared_server.ingress if face == "ingress" else shared_server.admin
    status = status_of(base, REQUESTS[name])
    # The reference takes a broken chunk for its own fault.
    most = 500 if SERVER_CLASS is not PerdureServer else 499
    assert status is None or 400 <= status <= most, status
    still_well(client)


@pytest.mark.parametrize("name", sorted(ADMIN_REQUESTS))
def test_malformed_admin_requests(shared_server: AnyServer, client: Client, name: str) -> None:
    status = status_of(shared_server.admin, ADMIN_REQUESTS[name])
    if name == "a batch of nonsense":
        # The batch as a whole is understood; its answer may name the id that is none.
        assert status is not None and 200 <= status < 500
    else:
        assert status is not None and 400 <= status < 500, status
    still_well(client)


def test_an_oversize_body_is_a_413(shared_server: AnyServer, client: Client) -> None:
    request = post(ECHO, JSON, f"Content-Length: {OVERSIZE}", "Expect: 100-continue")
    assert status_of(shared_server.ingress, request) == 413
    size = b"%x\r\n" % (1024 * 1024)
    chunks = (size + b"x" * 1024 * 1024 + b"\r\n") * 40 + b"0\r\n\r\n"
    chunked = post(ECHO, JSON, "Transfer-Encoding: chunked", body=chunks)
    assert status_of(shared_server.ingress, chunked) in (413, None)
    still_well(client)


def test_clients_that_stop_in_the_middle_hold_nobody_up(
    shared_server: AnyServer, client: Client
) -> None:
    host, port = shared_server.ingress.removeprefix("http://").split(":")
    half = post(ECHO, JSON, "Content-Length: 1000", body=b'"half')
    open_connections = []
    for _ in range(200):
        connection = socket.create_connection((host, int(port)), 5.0)
        connection.sendall(half)
        open_connections.append(connection)
    still_well(client)
    for connection in open_connections:
        connection.close()
    still_well(client)
