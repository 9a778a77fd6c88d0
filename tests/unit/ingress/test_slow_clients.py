"""Clients that send or read slowly, over real sockets: they hold nobody up and do not stay."""

import socket
import time

import pytest

from orchestrator.ingress.options import IngressOptions
from tests.unit.ingress.serving import Served, read_all, serving
from tests.unit.ingress.test_http1 import post, wait_for


def held_bytes(served: Served) -> int:
    return int(served.do(lambda: served.server._shared.uploads.held_bytes))


def test_stalled_uploads_keep_nobody_out() -> None:
    options = IngressOptions(
        payload_bytes_max=300_000,
        uploads_bytes_max=600_000,
        small_upload_bytes_max=10_000,
        small_uploads_bytes_max=50_000,
    )
    with serving(options) as served:
        stalled = [served.connect() for _ in range(8)]
        for connection in stalled:
            connection.sendall(post(b"x" * 200_000)[:-1])
        wait_for(lambda: held_bytes(served) >= 200_000)
        assert served.request("POST", "/Greeter/greet", b"x" * 5_000).status == 200
        time.sleep(2.5)  # for the server to see that they do not move
        with served.connect() as moving:
            moving.sendall(post(b"y" * 300_000)[:250_000])
            time.sleep(0.2)
            moving.sendall(post(b"y" * 300_000)[250_000:])
            assert moving.recv(100).startswith(b"HTTP/1.1 200 ")
        assert held_bytes(served) <= 650_000
        answers = []
        for connection in stalled:
            connection.settimeout(0.2)
            try:
                answers.append(connection.recv(1_000))
            except TimeoutError:
                answers.append(b"")
            connection.close()
        refused = [answer for answer in answers if answer]
        assert len(refused) >= 6
        assert all(answer.startswith(b"HTTP/1.1 503 ") for answer in refused)
        assert all(b"retry-after" in answer for answer in refused)
        wait_for(lambda: held_bytes(served) == 0)


def trickled(connection: socket.socket, head: bytes, drop: bytes) -> tuple[bytes, float]:
    """Send a head, then a little now and then, until an answer comes; how long that took."""
    began_s = time.monotonic()
    connection.sendall(head)
    connection.settimeout(0.1)
    while time.monotonic() - began_s < 20:
        try:
            return connection.recv(1_000), time.monotonic() - began_s
        except TimeoutError:
            connection.sendall(drop)
    raise AssertionError("it was held for ever")


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"GET /Greeter/greet HTTP/1.1\r\nHost: a\r\nX: ", b"y"),
        (b"GET /Greeter/greet HTTP/1.1\r\n", b"a: b\r\n"),
        (b"POST /Greeter/greet HTTP/1.1\r\nContent-Length: 900000\r\n\r\n", b"x" * 10),
        (b"POST /Greeter/greet HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
)
def test_what_trickles_in_is_ended(head: bytes, drop: bytes) -> None:
    options = IngressOptions(head_s=1, body_grace_s=1, body_rate_bytes_min=2_000)
    with serving(options) as served, served.connect() as connection:
        answer, took_s = trickled(connection, head, drop)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert took_s < 8
        assert served.server._shared.uploads.held_bytes == 0


def test_a_body_that_comes_at_the_least_rate_is_taken() -> None:
    options = IngressOptions(head_s=1, body_grace_s=1, body_rate_bytes_min=500)
    with serving(options) as served, served.connect() as connection:
        data = post(b"x" * 4_000)
        connection.sendall(data[:-4_000])
        for _ in range(8):
            time.sleep(0.5)
            connection.sendall(b"x" * 500)
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_wait_for_an_answer_is_not_held_against_what_follows() -> None:
    options = IngressOptions(head_s=1, body_grace_s=1, request_stall_s=2)
    with serving(options) as served, served.connect() as connection:
        served.engine.hold = True
        second = post(b"second", b"Connection: close\r\n")
        connection.sendall(post(b"first") + second[:20])
        wait_for(lambda: len(served.engine.invokes) == 1)
        time.sleep(3.5)
        served.engine.hold = False
        served.do(served.engine.finish, served.engine.invokes[0].id, b"done")
        time.sleep(0.3)
        connection.sendall(second[20:])
        assert read_all(connection).count(b"HTTP/1.1 200 ") == 2
