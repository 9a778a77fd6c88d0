"""perdure invoke, send, attach, output: what is asked of the ingress, and what people read."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from orchestrator.cli import awaiting
from orchestrator.cli.ingress import IngressClient
from orchestrator.cli.main import main
from orchestrator.cli.web_address import HttpAnswer
from tests.unit.admin.world import World
from tests.unit.cli.printed import Printed

ID = "inv_1fOCHIOAaiD87c05kadj9sweaVAhdifFDc"
Perdure = Callable[..., Printed]


class Ingress(HTTPServer):
    """Answers as it is told, and keeps what it was asked."""

    status, body = 200, b'"hi"'
    source = ""
    accepts = True  # what is sent; else it is answered as all else is

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.asked: list[tuple[str, str, bytes]] = []
        self.sent: dict[str, str] = {}  # headers of the last call

    def refuses(self, status: int, message: str) -> None:
        """What is sent."""
        self.accepts = False
        self.answers(status, {"message": message}, "ingress")

    def answers(self, status: int, body: Any, source: str = "") -> None:
        self.status, self.source = status, source
        self.body = body if isinstance(body, bytes) else json.dumps(body).encode()

    def answer_to(self, method: str) -> tuple[int, bytes]:
        if method == "POST" and self.accepts:
            return 202, json.dumps({"invocationId": ID, "status": self.accepted}).encode()
        return self.status, self.body

    accepted = "Accepted"


class Answering(BaseHTTPRequestHandler):
    server: Ingress

    def answer(self) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append((self.command, self.path, content))
        if self.command == "POST":
            self.server.sent = {name.lower(): value for name, value in self.headers.items()}
        status, body = self.server.answer_to(self.command)
        self.send_response(status)
        self.send_header("x-restate-id", ID)
        self.send_header("content-length", str(len(body)))
        if self.server.source:
            self.send_header("x-restate-error-source", self.server.source)
        self.end_headers()
        self.wfile.write(body)

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
    assert ingress.asked == [
        ("POST", "/restate/send/Greeter/greet", b'"Ann"'),
        ("GET", f"/restate/invocation/{ID}/attach", b""),
    ]
    assert ingress.sent["content-type"] == "application/json"
    assert (ingress.sent["x-a"], ingress.sent["idempotency-key"]) == ("1", "k")
    assert run("invoke", "Counter/add", "1", "--key", "a/b", "--json").json == {
        "invocation_id": ID,
        "result": "hi",
    }
    run("invoke", "Counter/ann/get")
    paths = [path for method, path, _ in ingress.asked if method == "POST"]
    assert paths[1:] == ["/restate/send/Counter/a%2Fb/add", "/restate/send/Counter/ann/get"]
    assert ingress.asked[-2][2] == b"" and "content-type" not in ingress.sent
    ingress.accepted = "PreviouslyAccepted"
    assert "sent before" in run("invoke", "Counter/ann/get").err


def test_a_record_for_a_topic_is_waited_for(ingress: Ingress, run: Perdure) -> None:
    """Sent one-way it is over before anybody can ask for its result."""
    ingress.accepts = False
    ingress.answers(200, {"topic": "orders", "partition": 0, "offset": 7})
    done = run("invoke", "Kafka/send", '{"topic": "orders"}', "--json")
    assert ingress.asked == [("POST", "/restate/call/Kafka/send", b'{"topic": "orders"}')]
    assert done.json["invocation_id"] == ID and done.json["result"]["offset"] == 7
    ingress.answers(404, {"message": "no such topic"}, "invocation")
    refused = run("invoke", "Kafka/send", '{"topic": "nowhere"}')
    assert refused.code == 1 and "no such topic" in refused.err


def test_a_result_that_is_no_json(ingress: Ingress, run: Perdure) -> None:
    ingress.answers(200, b"plain")
    assert run("invoke", "A/b").out == "plain"
    assert run("invoke", "A/b", "--json").json["result"] == "plain"
    ingress.answers(200, b"\xff\x00")
    assert run("invoke", "A/b", "--json").json["result"] == {"$base64": "/wA="}
    ingress.answers(200, b"")
    assert run("invoke", "A/b", "--json").json["result"] is None


def test_a_send(ingress: Ingress, run: Perdure) -> None:
    sent = run("send", "Greeter/greet", "1", "--delay", "10m")
    assert (sent.code, sent.out) == (0, f"{ID}\n") and "perdure attach" in sent.err
    # Not /Greeter/greet/send, which may be the handler `send` of a key.
    assert ingress.asked[0][1] == "/restate/send/Greeter/greet?delay=10m"
    ingress.accepted = "PreviouslyAccepted"
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
        (["invoke", "Greeter", "greet"], "SERVICE/HANDLER"),  # not that greet is no JSON
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
    ingress.refuses(400, "'A' is called by {service}/{key}/{handler}")
    assert "with --key" in run("invoke", "A/b", "1").err
    ingress.refuses(400, "'A' is called by {service}/{handler}")
    assert "A has no keys" in run("invoke", "A/b", "1", "--key", "k").err
    ingress.refuses(400, "a body and a content-type header is needed")
    assert "give it as JSON" in run("invoke", "A/b").err
    away = main(["invoke", "A/b", "--ingress-url", "127.0.0.1:1"])
    assert away == 3


def test_a_service_that_was_meant(
    ingress: Ingress, server: World, capfd: pytest.CaptureFixture[str]
) -> None:
    ingress.refuses(404, "service 'Greter' not found: register its deployment first")
    ingress_url = f"127.0.0.1:{ingress.server_port}"
    where = ["--ingress-url", ingress_url, "--admin", server.url]
    assert main(["invoke", "Greter/greet", "1", *where]) == 1
    assert "did you mean 'Greeter'?" in capfd.readouterr().err
    ingress.refuses(404, "service 'greeter' not found: did you mean 'Greeter'?")
    assert main(["invoke", "greeter/greet", "1", *where]) == 1
    assert capfd.readouterr().err.count("mean 'Greeter'") == 1
    ingress.refuses(404, "handler 'gret' not found in service 'Greeter': it has greet")
    assert main(["invoke", "Greeter/gret", "1", *where]) == 1
    said = capfd.readouterr().err
    assert "did you mean 'greet'?" in said and "mean 'Greeter'" not in said


class Slow:
    """Holds the answer back until it was told twice how the invocation does."""

    def __init__(self, server: World, ingress: Ingress) -> None:
        self.states = [("backing-off", "[500] boom\n<trace>"), ("backing-off", "[500] boom")]
        self.states += [("paused", "[500] boom"), ("running", None)]
        self.is_told = threading.Event()
        server.query.rows = self.rows
        before = ingress.answer_to

        def answer_to(method: str) -> tuple[int, bytes]:
            if method == "GET":
                assert self.is_told.wait(30)
            return before(method)

        ingress.answer_to = answer_to  # type: ignore[method-assign]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        assert ID in sql
        status, failure = self.states.pop(0)
        if not self.states:
            self.is_told.set()
        return [{"status": status, "last_failure": failure}]


@pytest.mark.parametrize("words", [["invoke", "Greeter/greet", "1"], ["attach", ID]])
def test_who_waits_is_told_why(
    words: list[str],
    ingress: Ingress,
    server: World,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(awaiting, "LOOK_AFTER_S", 0.01)
    monkeypatch.setattr(awaiting, "LOOK_EVERY_S", 0.01)
    Slow(server, ingress)
    where = ["--ingress-url", f"127.0.0.1:{ingress.server_port}", "--admin", server.url]
    assert main([*words, *where]) == 0
    out, err = capfd.readouterr()
    describe = f"(perdure invocations describe {ID})"
    assert out == '"hi"' and err.splitlines() == [
        f"{ID} fails, and is tried again: [500] boom {describe}",
        f"{ID} is paused: [500] boom {describe}",
    ]


def test_who_goes_away_is_told_how_to_find_it_again(
    ingress: Ingress, run: Perdure, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(self: IngressClient, method: str, *rest: Any) -> HttpAnswer:
        if method == "GET":
            raise KeyboardInterrupt
        return before(self, method, *rest)

    before = IngressClient.ask
    monkeypatch.setattr(IngressClient, "ask", interrupted)
    gone = run("invoke", "A/b")
    assert gone.code == 130 and f"perdure attach {ID}" in gone.err
