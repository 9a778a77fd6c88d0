"""The SDK from end to end: an app under ASGI servers and its own, on a server of ours."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.cache import REPOSITORY
from tests.parts.client import Client, at_once, eventually, fresh, in_background
from tests.parts.part import Part
from tests.parts.processes import Process, free_port
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

_MODULE = "tests.sdk.served_app:app"


class Served(Part):
    """The app under uvicorn (request/response), hypercorn or our own server (bidirectional)."""

    stop_timeout_s = 1.0

    def __init__(self, way: str, directory: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.use_http_11 = way == "uvicorn"
        port = str(self.port)
        arguments = {
            "uvicorn": ["uvicorn", _MODULE, "--port", port, "--log-level", "warning"],
            "hypercorn": ["hypercorn", _MODULE, "-w", "0", "--bind", f"127.0.0.1:{port}"],
            "own": ["perdure", _MODULE, "--port", port],
        }
        command = [sys.executable, "-m", *arguments[way]]
        self.process = Process(f"served-{way}", command, {}, REPOSITORY, directory)


# (how it is served, the highest version of the protocol, whether it always suspends)
WAYS = [
    ("uvicorn", 7, False),
    ("hypercorn", 7, False),
    ("own", 7, False),
    ("own", 7, True),
    ("own", 6, False),
    ("own", 5, True),
]


@pytest.fixture(scope="module", params=WAYS, ids=lambda way: "-".join(map(str, way)))
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Client]:
    way, version, suspending = request.param
    directory = tmp_path_factory.mktemp("served")
    options = ServerOptions(protocol_max=version, inactivity_timeout="0s" if suspending else None)
    served = Served(way, directory).start()
    server = PerdureServer(directory, options).start()
    client = Client(server.ingress, server.admin)
    client.register(served.uri, use_http_11=served.use_http_11)
    yield client
    server.stop()
    served.stop()


def test_a_greet(client: Client) -> None:
    assert client.call(("Greeter", "greet"), "ann") == "Hello ann"


def test_steps_sleeps_and_calls(client: Client) -> None:
    assert client.call(("Greeter", "steps"), 3) == [1, 1, 1, 1, 1, 1]


def test_a_plain_handler(client: Client) -> None:
    assert client.call(("Greeter", "blocking"), 3) == [1, 1, 1, 5]


def test_a_counter(client: Client) -> None:
    key = fresh()
    assert [client.call(("Counter", key, "add"), n) for n in (1, 2, 3)] == [1, 3, 6]


def test_a_class_with_state(client: Client) -> None:
    key = fresh()
    assert [client.call(("Cart", key, "put"), sku) for sku in "aab"] == [1, 2, 3]
    assert client.call(("Cart", key, "expire")) == 3


def test_sign_up(client: Client) -> None:
    key = fresh()
    user = {"name": "ann", "email": f"{key}@example.org"}
    client.send(("signup", key, "run"), user)

    def secret() -> str:
        found = client.call(("Mails", "secret_of"), user["email"])
        assert found
        return str(found)

    found = eventually(secret)
    client.call(("signup", key, "click"), found)

    def clicked() -> None:
        assert client.call(("signup", key, "getStatus")) == "Link clicked"

    eventually(clicked)


def test_what_callers_are_told(client: Client) -> None:
    for target, argument, said in (
        (("Greeter", "greet"), 5, "Expected `str`"),
        (("Greeter", "blocking"), "x", "Expected `int`"),
        (("Counter", fresh(), "add"), "x", "Expected `int`"),
        (("Cart", fresh(), "put"), 5, "Expected `str`"),
        (("signup", fresh(), "run"), {"name": "a", "email": 1}, "`$.email`"),
        (("Greeter", "odd"), None, "has no JSON"),
    ):
        refused = client.post(target, argument) if argument else client.post(target)
        assert refused.status == (400 if argument else 500)
        assert said in refused.text
    assert client.post(("Greeter", "fails")).status == 418


def test_a_stop_under_load_loses_nothing(tmp_path: Path) -> None:
    """Told to stop, our server suspends what waits and lets what runs end; whoever starts next
    goes on with all of it."""
    served = Served("own", tmp_path)
    served.stop_timeout_s = 20.0
    served.start()
    server = PerdureServer(tmp_path, ServerOptions(retry_initial_interval="20ms")).start()
    try:
        client = Client(server.ingress, server.admin)
        client.register(served.uri)
        calls = [lambda: client.call(("Greeter", "steps"), 8, timeout_s=60) for _ in range(24)]
        waiting = in_background(lambda: at_once(calls))
        time.sleep(0.2)
        assert served.stop() == 0
        served.start()
        assert waiting.result(90) == [[1] * 16] * len(calls)
    finally:
        server.stop()
        served.stop()
