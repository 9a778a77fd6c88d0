"""perdure invoke, send, attach, output: what is asked of the ingress, and what people read."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from orchestrator.cli.main import main
from tests.unit.cli.printed import Printed

ID = "inv_1fOCHIOAaiD87c05kadj9sweaVAhdifFDc"
Perdure = Callable[..., Printed]


class Ingress(HTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    status, body = 200, b'"hi"'
    source = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[tuple[str, str, bytes]] = []
        self.headers: dict[str, str] = {}

    def answers(self, status: int, body: Any, source: str = "") -> None:
        self.status, self.source = status, source
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()


class Answering(BaseHTTPRequestHandler):
    server: Ingress

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append((self.command, self.path, content))
        self.server.headers = {name.lower(): value for name, value in self.headers.items()}
        self.send_response(self.server.status)
        self.send_header("x-restate-id", ID)
        self.send_header("content-length", str(len(self.server.body)))
        if self.server.source:
            self.send_header("x-restate-error-source", self.server.source)
        self.end_headers()
        self.wfile.write(self.server.body)

    do_GET = do_POST = answer

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def ingress() -> Iterator[Ingress]:
    server = Ingress()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(ingress: Ingress, capfd: pytest.CaptureFixture[str]) -> Perdure:
    def run(*words: str) -> Printed:
        address = f"127.0.0.1:{ingress.server_port}"
        return Printed(main([*words, "--ingress-url", address]), *capfd.readouterr())

    return run


def test_a_call(ingress: Ingress, run: Perdure) -> None:
    done = run("invoke", "Greeter/greet", '"Ann"', "--header", "x-a=1", "--idempotency-key", "k")
    assert (done.code, done.out) == (0, '"hi"')
    assert ingress.asked == [("POST", "/restate/call/Greeter/greet", b'"Ann"')]
    assert ingress.headers["content-type"] == "application/json"
    assert (ingress.headers["x-a"], ingress.headers["idempotency-key"]) == ("1", "k")
    assert run("invoke", "Counter/add", "1", "--key", "a/b", "--json").json == {
        "invocation_id": ID,
        "result": "hi",
    }
    run("invoke", "Counter/ann/get")
    paths = [path for _, path, _ in ingress.asked]
    assert paths[1:] == ["/restate/call/Counter/a%2Fb/add", "/restate/call/Counter/ann/get"]
    assert ingress.asked[-1][2] == b"" and "content-type" not in ingress.headers


def test_a_result_that_is_no_json(ingress: Ingress, run: Perdure) -> None:
    ingress.answers(200, b"plain")
    assert run("invoke", "A/b").out == "plain"
    assert run("invoke", "A/b", "--json").json["result"] == "plain"
    ingress.answers(200, b"\xff\x00")
    assert run("invoke", "A/b", "--json").json["result"] == {"$base64": "/wA="}
    ingress.answers(200, b"")
    assert run("invoke", "A/b", "--json").json["result"] is None


def test_a_send(ingress: Ingress, run: Perdure) -> None:
    ingress.answers(202, {"invocationId": ID, "status": "Accepted"})
    sent = run("send", "Greeter/greet", "1", "--delay", "10m")
    assert (sent.code, sent.out) == (0, f"{ID}\n") and "perdure attach" in sent.err
    # Not /Greeter/greet/send, which may be the handler `send` of a key.
    assert ingress.asked[0][1] == "/restate/send/Greeter/greet?delay=10m"
    ingress.answers(202, {"invocationId": ID, "status": "PreviouslyAccepted"})
    assert "sent before" in run("send", "Greeter/greet", "1").err
    assert run("send", "Greeter/greet", "1", "--delay", "10").code == 2


def test_results(ingress: Ingress, run: Perdure) -> None:
    assert run("attach", ID).out == '"hi"'
    assert run("output", ID).out == '"hi"'
    places = [path for _, path, _ in ingress.asked]
    assert places == [f"/restate/invocation/{ID}/attach", f"/restate/invocation/{ID}/output"]
    ingress.answers(470, {"message": "not ready"})
    early = run("output", ID)
    assert early.code == 1 and "perdure attach waits for it" in early.err


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        (["invoke", "Greeter"], "SERVICE/HANDLER"),
        (["invoke", "Counter/k/add", "--key", "k"], "--key KEY"),
        (["invoke", "Greeter/greet", "Ann"], "as a text: '\"Ann\"'"),
        (["invoke", "Greeter/greet", "{'a': 1}"], "no JSON"),
        (["invoke", "Greeter/greet", "-5"], "written behind --"),
    ],
)
def test_what_is_typed_wrongly(
    words: list[str], advice: str, ingress: Ingress, run: Perdure
) -> None:
    refused = run(*words)
    assert refused.code == 2 and advice in refused.err
    assert ingress.asked == []


def test_refusals_and_failures(ingress: Ingress, run: Perdure) -> None:
    ingress.answers(402, {"code": 402, "message": "card declined"}, "invocation")
    assert run("invoke", "Shop/pay").err == "perdure: Shop/pay failed with 402: card declined\n"
    ingress.answers(500, {"code": 500, "message": "a\x1b[2Jb"}, "invocation")
    assert "a\\u001b[2Jb" in run("invoke", "Shop/pay").err
    ingress.answers(400, {"message": "'A' is called by {service}/{key}/{handler}"}, "ingress")
    assert "with --key" in run("invoke", "A/b", "1").err
    ingress.answers(400, {"message": "a content-type header is needed"}, "ingress")
    assert "give it as JSON" in run("invoke", "A/b").err
    away = main(["invoke", "A/b", "--ingress-url", "127.0.0.1:1"])
    assert away == 3
