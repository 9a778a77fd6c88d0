"""The end of the ingress: answers that can be taken are taken, and no connection stays open."""

import asyncio
import socket
import time

from tests.unit.ingress.h2client import Http2Client
from tests.unit.ingress.serving import Served, read_all, serving
from tests.unit.ingress.test_http1 import post, wait_for

LARGE = 16 << 20  # more than sockets hold
END_S = 5.0


def open_count(served: Served) -> int:
    return served.do(lambda: len(served.server._shared.open))


def stop(served: Served) -> None:
    began = time.monotonic()
    asyncio.run_coroutine_threadsafe(served.server.stop(0.1), served.loop).result(60)
    assert time.monotonic() - began < END_S
    wait_for(lambda: not open_count(served))


def answer_all(served: Served, count: int) -> None:
    wait_for(lambda: len(served.engine.invokes) == count)
    for invoke in served.engine.invokes:
        served.do(served.engine.finish, invoke.id, b"x" * LARGE)


def test_who_does_not_take_the_last_answer_is_cut_off() -> None:
    with serving() as served:
        served.engine.hold = True
        with served.connect() as deaf, served.connect() as begun, served.connect() as ahead:
            deaf.sendall(post(b"1"))
            ahead.sendall(post(b"2") + post(b"3") * 100)
            begun.sendall(b"POST /Greeter/greet HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
            answer_all(served, 2)
            wait_for(lambda: open_count(served) == 3)
            stop(served)


def test_who_takes_the_last_answer_gets_all_of_it() -> None:
    with serving() as served:
        served.engine.hold = True
        with served.connect() as deaf, served.connect() as good:
            for connection in (deaf, good):
                connection.sendall(post(b"1"))
            answer_all(served, 2)
            ending = asyncio.run_coroutine_threadsafe(served.server.stop(0.1), served.loop)
            assert read_all(good).endswith(b"x" * LARGE)
            ending.result(60)
            wait_for(lambda: not open_count(served))


def test_who_does_not_take_the_last_answer_is_cut_off_over_http2() -> None:
    with serving() as served:
        served.engine.hold = True
        with Http2Client(served.address) as deaf, socket.create_connection(served.address) as mute:
            mute.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            stream = deaf.begin("POST", "/Greeter/greet", {"content-type": "application/json"})
            deaf.send(stream, b'"1"')
            answer_all(served, 1)
            wait_for(lambda: open_count(served) == 2)
            stop(served)
