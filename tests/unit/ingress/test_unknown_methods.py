"""Methods that nobody has heard of are refused as others are: with those that are taken."""

import time
from collections.abc import Iterator

import pytest

from tests.unit.ingress.serving import Served, read_all, serving

HOST = b" HTTP/1.1\r\nHost: a\r\n"
CALL = b" /Greeter/greet" + HOST
NEXT = b"POST" + CALL + b"Content-Length: 4\r\nConnection: close\r\n\r\nnext"


@pytest.fixture(scope="module")
def ingress() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(ingress: Served) -> None:
    ingress.engine.__init__()  # type: ignore[misc]


@pytest.mark.parametrize("method", [b"FOO", b"get", b"GETS", b"POS", b"X-Y_Z!", b"M" * 32])
@pytest.mark.parametrize(
    ("path", "allowed"), [(b"/Greeter/greet", b"GET, POST"), (b"/restate/health", b"HEAD, GET")]
)
def test_it_is_told_which_are_taken(
    ingress: Served, method: bytes, path: bytes, allowed: bytes
) -> None:
    """And the request is read to its end: the next one on the connection is answered."""
    answers = ingress.raw(method + b" " + path + HOST + b"Content-Length: 5\r\n\r\nhello" + NEXT)
    assert answers.startswith(b"HTTP/1.1 405 ") and b"\r\nallow: %b\r\n" % allowed in answers
    assert answers.count(b"HTTP/1.1 ") == 2 and answers.endswith(b"next")
    assert [invoke.body for invoke in ingress.engine.invokes] == [b"next"]


def test_what_is_not_there_is_not_there(ingress: Served) -> None:
    answer = ingress.raw(b"FOO /restate/x" + HOST + b"Connection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404 ")


def test_however_it_comes_once_the_method_is_there(ingress: Served) -> None:
    data = NEXT.replace(b"Connection: close\r\n", b"") + b"FOO" + CALL + b"\r\n" + NEXT
    begin = data.index(b"FOO /") + len(b"FOO /")
    for end in range(begin, begin + 60, 7):
        with ingress.connect() as connection:
            connection.sendall(data[:end])
            time.sleep(0.002)
            connection.sendall(data[end:])
            answers = read_all(connection)
        statuses = [part[:3] for part in answers.split(b"HTTP/1.1 ")[1:]]
        assert statuses in ([b"200", b"405", b"200"], [b"200", b"400"]), answers


@pytest.mark.parametrize(
    "data",
    [
        b"FOO  /Greeter/greet" + HOST,
        b"FOO /Greeter/greet  HTTP/1.1\r\nHost: a\r\n",
        b"FOO /Greeter/greet RTSP/1.0\r\nHost: a\r\n",
        b"FOO /Greeter/greet HTTP/9.9\r\nHost: a\r\n",
        b"F(O" + CALL,
        b"F\0O" + CALL,
        b"M" * 33 + CALL,
        b"HELLO world\r\n",
        b"FOO Greeter/greet" + HOST,
        b" FOO" + CALL,
    ],
)
def test_what_is_no_request_line_is_still_none(ingress: Served, data: bytes) -> None:
    assert ingress.raw(data + b"\r\n").startswith(b"HTTP/1.1 400 ")
