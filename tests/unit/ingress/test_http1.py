"""The HTTP/1.1 connection with raw bytes: framing, limits, order, offers of other protocols."""

import asyncio
import socket
import time
from collections.abc import Iterator

import pytest

from orchestrator.ingress.options import IngressOptions
from perdure.wire.ids import invocation_id_to_str
from tests.unit.ingress.engine import OPTIONS
from tests.unit.ingress.serving import Served, read_all, serving

CLOSE = b"Connection: close\r\n"


@pytest.fixture(scope="module")
def ingress() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(ingress: Served) -> None:
    ingress.engine.__init__()  # type: ignore[misc]


def post(body: bytes, headers: bytes = b"", path: bytes = b"/Greeter/greet") -> bytes:
    length = b"Content-Length: %d\r\n" % len(body)
    return b"POST " + path + b" HTTP/1.1\r\nHost: a\r\n" + headers + length + b"\r\n" + body


OFFER = (
    b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAA\r\n"
)


def read_reply(connection: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        assert chunk, f"the connection ended after {data!r}"
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    while len(body) < length:
        chunk = connection.recv(65536)
        assert chunk, "the connection ended within a body"
        body += chunk
    assert len(body) == length
    return head, body


@pytest.mark.parametrize("size", [0, 5, 200_000])
def test_an_offer_of_h2c_keeps_its_body(ingress: Served, size: int) -> None:
    body = b"x" * size
    with ingress.connect() as connection:
        for _ in range(2):  # the connection goes on in HTTP/1.1
            connection.sendall(post(body, OFFER))
            head, answer = read_reply(connection)
            assert head.startswith(b"HTTP/1.1 200")
            assert answer == body
    names = [name for name, _ in ingress.engine.invokes[0].headers]
    assert names == ["content-length", "x-restate-ingress-path"]


def test_an_offer_byte_by_byte(ingress: Served) -> None:
    data = post(b"hello", OFFER + b"X-Mine: 1\r\n") + post(b"next", CLOSE)
    with ingress.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(data)):
            connection.sendall(data[at : at + 1])
        answer = read_all(connection)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b"\r\n\r\nhello" in answer
    assert answer.endswith(b"next")


def test_many_offers_at_once(ingress: Served) -> None:
    answer = ingress.raw(post(b"1", OFFER) * 2_000 + post(b"2", CLOSE))
    assert answer.count(b"HTTP/1.1 200") == 2_001


def test_an_offer_with_a_chunked_body(ingress: Served) -> None:
    head = b"POST /Greeter/greet HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, close\r\n"
    head += b"Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n"
    answer = ingress.raw(head, b"3\r\nabc\r\n", b"2\r\nde\r\n0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"abcde")


def test_chunks_and_trailers(ingress: Served) -> None:
    head = b"POST /Greeter/greet HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    answer = ingress.raw(
        head + CLOSE + b"\r\n", b"3\r\nabc\r\n0\r\nidempotency-key: sneaky\r\n\r\n"
    )
    assert answer.endswith(b"abc")
    assert ingress.engine.invokes[0].idempotency_key is None


@pytest.mark.parametrize(
    "around", [b"3;x=" + b"y" * 30_000, b"3\r\nabc\r\n0\r\nX: " + b"y" * 30_000]
)
def test_what_is_around_chunks_has_a_limit(ingress: Served, around: bytes) -> None:
    head = b"POST /Greeter/greet HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    with ingress.connect() as connection:
        connection.sendall(head)
        time.sleep(0.05)
        connection.sendall(around)
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")
    assert not ingress.engine.invokes


def test_chunks_may_be_small(ingress: Served) -> None:
    head = b"POST /Greeter/greet HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
    answer = ingress.raw(head + CLOSE + b"\r\n", b"1\r\nx\r\n" * 20_000, b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert answer.endswith(b"\r\n\r\n" + b"x" * 20_000)


def test_pipelined_requests_are_answered_in_order(ingress: Served) -> None:
    ingress.engine.hold = True
    with ingress.connect() as connection:
        connection.sendall(post(b"1") + post(b"", path=b"/nowhere") + post(b"3", CLOSE))
        wait_for(lambda: len(ingress.engine.invokes) == 1)
        ingress.do(ingress.engine.finish, ingress.engine.invokes[0].id, b"first")
        wait_for(lambda: len(ingress.engine.invokes) == 2)
        ingress.do(ingress.engine.finish, ingress.engine.invokes[1].id, b"third")
        answer = read_all(connection)
    assert answer.index(b"first") < answer.index(b"HTTP/1.1 400") < answer.index(b"third")


def wait_for(condition: object, timeout_s: float = 5.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_client_that_goes_away_leaves_the_invocation(ingress: Served) -> None:
    ingress.engine.hold = True
    with ingress.connect() as connection:
        connection.sendall(post(b"1"))
        wait_for(lambda: len(ingress.engine.invokes) == 1)
    wait_for(lambda: ingress.engine.forgotten == [ingress.engine.invokes[0].id])
    ingress.do(ingress.engine.finish, ingress.engine.invokes[0].id, b"nobody there")
    assert ingress.request("POST", "/Greeter/greet/send", b"").status == 202


def test_a_client_that_closes_its_side_gets_its_answers(ingress: Served) -> None:
    ingress.engine.hold = True
    with ingress.connect() as connection:
        connection.sendall(post(b"1") + post(b"2"))
        connection.shutdown(socket.SHUT_WR)
        for count, body in ((1, b"one"), (2, b"two")):
            wait_for(lambda count=count: len(ingress.engine.invokes) == count)
            ingress.do(ingress.engine.finish, ingress.engine.invokes[-1].id, body)
        answer = read_all(connection)
    assert answer.index(b"one") < answer.index(b"connection: close") < answer.index(b"two")


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit(ingress: Served, declared: bool) -> None:
    size = OPTIONS.payload_bytes_max + 1
    if declared:
        data = post(b"x" * size)
    else:
        data = b"POST /Greeter/greet HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        data += b"%x\r\n" % size + b"x" * size + b"\r\n0\r\n\r\n"
    answer = ingress.raw(data)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"at most 1000000 bytes" in answer
    assert not ingress.engine.invokes
    whole = b"x" * OPTIONS.payload_bytes_max
    assert ingress.request("POST", "/Greeter/greet", whole).body == whole


def test_an_expectation_is_met_before_the_body(ingress: Served) -> None:
    data = post(b"hello", b"Expect: 100-continue\r\n" + CLOSE)
    with ingress.connect() as connection:
        connection.sendall(data[:-5])
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(data[-5:])
        assert read_all(connection).endswith(b"hello")
    too_large = b"POST /Greeter/greet HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
    answer = ingress.raw(too_large + b"Content-Length: 1000001\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET  /restate/health HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /restate/health  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /restate/health RTSP/1.0\r\nHost: a\r\n\r\n", 400),
        (b"SOURCE /restate/health ICE/1.0\r\nHost: a\r\n\r\n", 400),
        (b"GET /restate/health HTTP/1.1\r\nHost: a\r\nHOST: a\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\nBad Header\r\n\r\n", 400),
        (b"POST /Greeter/greet HTTP/1.1\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST /Greeter/greet HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /restate/health\r\n\r\n", 400),
        (b"GET /restate/health HTTP/9.9\r\nHost: a\r\n\r\n", 400),
        (
            b"POST /Greeter/greet HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
        ),
        (b"GET relative HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"GET ftp://a/b HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"DELETE /Greeter/greet HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 405),
        (b"GET /x HTTP/1.1\r\nX: " + b"y" * 30_000, 431),
        (b"GET /" + b"y" * 30_000, 431),
        (b"GET /x HTTP/1.1\r\n" + b"X: y\r\n" * 1_001 + b"\r\n", 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    ],
)
def test_bad_requests(ingress: Served, data: bytes, status: int) -> None:
    answer = ingress.raw(data)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer
    assert b"x-restate-error-source: ingress" in answer
    assert b'"source":"ingress"' in answer


@pytest.mark.parametrize(("size", "status"), [(19_900, 200), (20_100, 431)])
def test_the_limit_of_a_head_is_exact_however_it_comes(
    ingress: Served, size: int, status: int
) -> None:
    head = b"GET /restate/health HTTP/1.1\r\nX: " + b"y" * (size - 40) + b"\r\n\r\n"
    for body in (b"", b"z" * 1_000):  # after it, in the same read
        assert ingress.raw(head + body + CLOSE).startswith(b"HTTP/1.1 %d " % status)


def test_the_request_line_of_what_was_sent_ahead_is_looked_at_as_well(ingress: Served) -> None:
    good, bad = b"GET /restate/health HTTP/1.1\r\nHost: a\r\n\r\n", b"GET  / HTTP/1.1\r\n\r\n"
    assert ingress.raw(good * 3 + bad).count(b"HTTP/1.1 200 ") == 3
    with ingress.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(good)):
            connection.sendall(good[at : at + 1])
        assert read_reply(connection)[0].startswith(b"HTTP/1.1 200 ")
        for at in range(len(bad)):
            connection.sendall(bad[at : at + 1])
        assert read_all(connection).startswith(b"HTTP/1.1 400 ")


_HEALTH = b"GET /restate/health HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize("split", [0, 20, 80])
@pytest.mark.parametrize(
    "before",
    [
        _HEALTH + b"\r\n",
        _HEALTH + b"Content-Length: %d\r\n\r\n" % len(_HEALTH) + _HEALTH,
        _HEALTH + b"Transfer-Encoding: chunked\r\n\r\n"
        b"%x\r\n" % (len(_HEALTH) + 4) + b"\r\n\r\n" + _HEALTH + b"\r\n0\r\nA: b\r\n\r\n",
        _HEALTH + b"\r\n" + b"\r\n\r\n",
    ],
)
def test_a_line_is_not_taken_for_that_of_a_request_before_it(
    ingress: Served, before: bytes, split: int
) -> None:
    """Nor for what looks like one in the body of that."""
    for line in (b"GET  /restate/health HTTP/1.1", b"GET /restate/health RTSP/1.0"):
        with ingress.connect() as connection:
            whole = before + line + b"\r\nHost: a\r\n" + CLOSE + b"\r\n"
            connection.sendall(whole[:split])
            time.sleep(0.002)
            connection.sendall(whole[split:])
            answers = read_all(connection)
        assert answers.startswith(b"HTTP/1.1 200 ") and answers.count(b"HTTP/1.1 400 ") == 1
    good = before * 2 + _HEALTH + CLOSE + b"\r\n"
    assert ingress.raw(good).count(b"HTTP/1.1 200 ") == 3


def test_a_path_is_shown_as_it_was_asked_for(ingress: Served) -> None:
    assert b"bad path '/': use /{service}" in ingress.raw(
        _HEALTH.replace(b"restate/health", b"") + CLOSE + b"\r\n"
    )


def test_an_absolute_request_target(ingress: Served) -> None:
    data = b"GET http://example.com/restate/health HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n"
    assert ingress.raw(data).startswith(b"HTTP/1.1 200 ")


def test_http_1_0(ingress: Served) -> None:
    data = b"GET /restate/health HTTP/1.0\r\n\r\n"
    answer = ingress.raw(data)
    assert b"connection: close" in answer
    with ingress.connect() as connection:
        connection.sendall(b"GET /restate/health HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        assert b"connection: keep-alive" in read_reply(connection)[0]


def test_head_has_no_body(ingress: Served) -> None:
    for path, status in ((b"/restate/health", 200), (b"/Greeter/greet", 405), (b"/restate/x", 404)):
        answer = ingress.raw(b"HEAD " + path + b" HTTP/1.1\r\nHost: a\r\n" + CLOSE + b"\r\n")
        assert answer.startswith(b"HTTP/1.1 %d " % status)
        assert answer.endswith(b"\r\n\r\n")
    assert not ingress.engine.invokes


def test_a_large_result(ingress: Served) -> None:
    ingress.engine.outcome = b"z" * 5_000_000
    reply = ingress.request("POST", "/Greeter/greet", b"")
    assert reply.body == ingress.engine.outcome


def test_what_stalls_is_ended() -> None:
    options = IngressOptions(request_stall_s=0, keep_alive_s=0)
    with serving(options) as served:
        answer = served.raw(post(b"12345")[:-2])
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert served.raw(b"") == b""  # idle


def test_a_slow_reader_gets_all_of_it_and_one_that_stalls_does_not() -> None:
    size = 16_000_000  # more than the kernel takes at once
    with serving(IngressOptions(request_stall_s=1)) as served:
        served.engine.outcome = b"z" * size
        with served.connect() as slow, served.connect() as stalled:
            for connection in (slow, stalled):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 100_000)
                connection.sendall(post(b"1", CLOSE))
            received = 0
            while chunk := slow.recv(100_000):
                received += len(chunk)
                time.sleep(0.02 * len(chunk) / 100_000)
            assert received > size
            assert len(read_all(stalled)) < size


def test_limits_on_requests_and_connections() -> None:
    with serving(IngressOptions(requests_max=1, connections_max=3)) as served:
        served.engine.hold = True
        with served.connect() as first, served.connect() as second:
            first.sendall(post(b"1"))
            wait_for(lambda: len(served.engine.invokes) == 1)
            second.sendall(post(b"2"))
            assert read_reply(second)[0].startswith(b"HTTP/1.1 429 ")
            with served.connect() as third:
                third.sendall(b"GET /restate/hea")
                wait_for(lambda: served.do(lambda: len(served.server._shared.open)) == 3)
                assert served.raw(b"").startswith(b"HTTP/1.1 503 ")


def test_the_end_in_good_order() -> None:
    with serving() as served:
        served.engine.hold = True
        with served.connect() as idle, served.connect() as done, served.connect() as left:
            done.sendall(post(b"1"))
            left.sendall(post(b"2"))
            wait_for(lambda: len(served.engine.invokes) == 2)
            stop = asyncio.run_coroutine_threadsafe(served.server.stop(0.5), served.loop)
            assert read_all(idle) == b""
            served.gate.why_closed = "shutting down"
            assert served.raw(post(b"late")).startswith(b"HTTP/1.1 503 ")
            one = next(invoke for invoke in served.engine.invokes if invoke.body == b"1")
            served.do(served.engine.finish, one.id, b"one")
            answer = read_all(done)
            assert b"connection: close" in answer
            assert answer.endswith(b"one")
            answer = read_all(left)
            assert answer.startswith(b"HTTP/1.1 500 ")
            assert b"x-restate-error-source: invocation" in answer
            assert b"x-restate-id: inv_1" in answer
            stop.result(60)


@pytest.mark.parametrize(
    ("path", "headers"),
    [(b"/Greeter/greet", b"Idempotency-Key: k\r\n"), (b"/Signup/u/run", b"")],
)
def test_at_the_end_who_can_safely_ask_again_is_told_to(path: bytes, headers: bytes) -> None:
    with serving() as served:
        served.engine.hold = True
        with served.connect() as caller, served.connect() as reader:
            caller.sendall(post(b"1", headers, path))
            wait_for(lambda: len(served.engine.invokes) == 1)
            id_text = invocation_id_to_str(served.engine.invokes[0].id).encode()
            reader.sendall(b"GET /restate/attach/" + id_text + b" HTTP/1.1\r\nHost: a\r\n\r\n")
            wait_for(lambda: len(served.engine.waiting[served.engine.invokes[0].id]) == 2)
            asyncio.run_coroutine_threadsafe(served.server.stop(0), served.loop).result(60)
            for answer in (read_all(caller), read_all(reader)):
                assert answer.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: 1\r\n" in answer
                assert b"x-restate-error-source: ingress" in answer
