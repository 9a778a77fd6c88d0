"""HTTP/2 by prior knowledge: the same answers and limits as over HTTP/1.1."""

import time
from collections.abc import Iterator

import pytest

from perdure.wire.ids import invocation_id_to_str
from tests.unit.ingress.engine import OPTIONS
from tests.unit.ingress.h2client import Http2Client
from tests.unit.ingress.serving import Served, serving


@pytest.fixture(scope="module")
def ingress() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(ingress: Served) -> None:
    ingress.engine.__init__()  # type: ignore[misc]


@pytest.fixture
def client(ingress: Served) -> Iterator[Http2Client]:
    with Http2Client(ingress.address) as made:
        yield made


def wait_for(condition: object, timeout_s: float = 10.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_call(ingress: Served, client: Http2Client) -> None:
    headers = {"content-type": "application/json", "x-mine": "1", "cookie": "a=b"}
    answer = client.request("POST", "//Greeter/greet?x=1", b'"hello"', headers)
    assert (answer.status, answer.body) == (200, b'"hello"')
    (invoke,) = ingress.engine.invokes
    assert dict(invoke.headers) == {**headers, "x-restate-ingress-path": "//Greeter/greet"}
    assert answer.headers["x-restate-id"] == invocation_id_to_str(invoke.id)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == "7"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "date" in answer.headers and "connection" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "status", "header"),
    [
        ("GET", "/restate/health", 200, ""),
        ("HEAD", "/restate/health", 200, ""),
        ("HEAD", "/Greeter/greet", 405, "GET, POST"),
        ("DELETE", "/Greeter/greet", 405, "GET, POST"),
        ("POST", "/Nobody/greet", 404, ""),
        ("GET", "/restate/output/inv_1x", 400, ""),
        ("OPTIONS", "/Greeter/greet", 200, ""),
    ],
)
def test_the_rest_of_the_face(
    client: Http2Client, method: str, path: str, status: int, header: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status, answer.headers.get("allow", "")) == (status, header)
    assert answer.reset_code is None
    if method == "HEAD":
        assert answer.body == b"" and answer.headers["content-length"] != "0"


def test_many_at_once_and_out_of_order(ingress: Served, client: Http2Client) -> None:
    ingress.engine.hold = True
    streams = [client.begin("POST", "/Greeter/greet") for _ in range(50)]
    for number, stream in enumerate(streams):
        client.send(stream, b"%d" % number)
    wait_for(lambda: len(ingress.engine.invokes) == 50)
    for invoke in reversed(ingress.engine.invokes):
        ingress.do(ingress.engine.finish, invoke.id, invoke.body)
    for number, stream in enumerate(streams):
        assert client.wait(stream).body == b"%d" % number


@pytest.mark.parametrize("size", [0, 1, 60_000, 900_000])
def test_bodies_and_results_of_any_size(client: Http2Client, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    answer = client.request("POST", "/Greeter/greet", body[:size])
    assert (answer.status, answer.body) == (200, body[:size])


def test_a_result_larger_than_all_windows(ingress: Served, client: Http2Client) -> None:
    ingress.engine.outcome = b"z" * 5_000_000
    assert client.request("POST", "/Greeter/greet").body == b"z" * 5_000_000


def test_a_client_that_resets_leaves_the_invocation(ingress: Served, client: Http2Client) -> None:
    ingress.engine.hold = True
    stream = client.begin("POST", "/Greeter/greet", end=True)
    wait_for(lambda: len(ingress.engine.invokes) == 1)
    client.h2.reset_stream(stream)
    client.flush()
    wait_for(lambda: ingress.engine.forgotten == [ingress.engine.invokes[0].id])
    ingress.do(ingress.engine.finish, ingress.engine.invokes[0].id, b"nobody there")
    assert client.request("GET", "/restate/health").status == 200


def test_so_does_one_that_goes_away(ingress: Served) -> None:
    ingress.engine.hold = True
    with Http2Client(ingress.address) as client:
        client.begin("POST", "/Greeter/greet", end=True)
        wait_for(lambda: len(ingress.engine.invokes) == 1)
    wait_for(lambda: ingress.engine.forgotten == [ingress.engine.invokes[0].id])
    shared = ingress.server._shared
    wait_for(lambda: (shared.in_flight, shared.streams) == (0, 0))


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_over_the_limit(ingress: Served, client: Http2Client, declared: bool) -> None:
    size = OPTIONS.payload_bytes_max + 1
    headers = {"content-length": str(size)} if declared else {}
    stream = client.begin("POST", "/Greeter/greet", headers)
    client.send(stream, b"x" * size, end=False)
    answer = client.wait(stream)
    assert answer.status == 413 and b"at most 1000000 bytes" in answer.body
    assert not ingress.engine.invokes
    assert client.request("GET", "/restate/health").status == 200  # the connection goes on


def test_an_expectation_is_met(client: Http2Client) -> None:
    stream = client.begin("POST", "/Greeter/greet", {"expect": "100-continue"})
    while not client.answers[stream].informed:
        assert client.receive()
    client.send(stream, b"hello")
    assert client.wait(stream).body == b"hello"


@pytest.mark.parametrize(("size", "status"), [(19_800, 200), (20_100, 431)])
def test_the_limit_of_a_head(client: Http2Client, size: int, status: int) -> None:
    assert client.request("GET", "/restate/health", headers={"x": "y" * size}).status == status
    assert client.request("GET", "/restate/health").status == 200


def test_a_head_far_over_the_limit_ends_the_connection(client: Http2Client) -> None:
    headers = {f"x-{number}": "y" * 10_000 for number in range(10)}
    stream = client.begin("GET", "/restate/health", headers, end=True)
    assert client.wait(stream).status in (0, 431)
    while client.receive():
        pass
    assert client.goodbye is not None


def test_too_many_headers(client: Http2Client) -> None:
    headers = {f"x{number}": "" for number in range(1_001)}
    assert client.request("GET", "/restate/health", headers=headers).status == 431


def test_a_host_that_is_not_the_authority(client: Http2Client) -> None:
    assert client.request("GET", "/restate/health", headers={"host": "b"}).status == 400
    assert client.request("GET", "/restate/health", headers={"host": "a"}).status == 200


def test_the_preface_byte_by_byte(ingress: Served) -> None:
    with Http2Client(ingress.address, by_byte=True) as client:
        assert client.request("POST", "/Greeter/greet", b"hello").body == b"hello"


def test_what_only_begins_like_http2_is_http1(ingress: Served) -> None:
    assert ingress.raw(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    rest = b"UT /Greeter/greet HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert ingress.raw(b"P", rest).startswith(b"HTTP/1.1 405 ")


def test_http1_that_turns_into_http2_is_refused(ingress: Served) -> None:
    good = b"GET /restate/health HTTP/1.1\r\nHost: a\r\n\r\n"
    answer = ingress.raw(good + b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200 ") and b"HTTP/1.1 400 " in answer
