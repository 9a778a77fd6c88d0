"""Calls and sends over a real socket: statuses, headers and bodies, and what the engine got."""

import json
from collections.abc import Iterator

import pytest

from orchestrator.model.ids import idempotent_id, workflow_id
from orchestrator.model.values import Failure
from orchestrator.processor.port import Unavailable
from perdure.wire.ids import awakeable_id_to_str, invocation_id_to_str
from tests.unit.ingress.engine import StoppedClock
from tests.unit.ingress.serving import Served, serving

NOW_MS = StoppedClock().now_ms()
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def ingress() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(ingress: Served) -> None:
    ingress.engine.__init__()  # type: ignore[misc]
    ingress.gate.__init__()  # type: ignore[misc]


def test_a_call_gives_its_result(ingress: Served) -> None:
    reply = ingress.request("POST", "/Greeter/greet?a=b", b'"Ann"', JSON | {"X-Mine": "ö"})
    assert (reply.status, reply.body) == (200, b'"Ann"')
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["access-control-allow-origin"] == "*"
    assert "date" in reply.headers
    assert "idempotency-expires" not in reply.headers
    (invoke,) = ingress.engine.invokes
    assert reply.headers["x-restate-id"] == invocation_id_to_str(invoke.id)
    assert (invoke.service, invoke.handler, invoke.key) == ("Greeter", "greet", "")
    assert (invoke.created_at_ms, invoke.start_at_ms) == (NOW_MS, 0)
    names = [name for name, _ in invoke.headers]
    own = ["accept-encoding", "content-length", "content-type", "x-mine"]
    assert names == [*own, "x-restate-ingress-path"]
    assert invoke.headers[-1][1] == "/Greeter/greet"


def test_headers_of_the_door_and_of_the_hop_stay_here(ingress: Served) -> None:
    kept = {"connection": "x", "idempotency-key": "k", "idempotency-expires": "z"}
    ingress.request("POST", "/Greeter/greet", b"", kept | {"upgrade": "foo", "te": "trailers"})
    (invoke,) = ingress.engine.invokes
    names = [name for name, _ in invoke.headers]
    assert names == ["accept-encoding", "content-length", "upgrade", "te", "x-restate-ingress-path"]


def test_get_calls_too(ingress: Served) -> None:
    reply = ingress.request("GET", "/Greeter/nothing")
    assert (reply.status, reply.body) == (200, b"")
    assert "content-type" not in reply.headers


def test_output_rules(ingress: Served) -> None:
    reply = ingress.request("POST", "/Greeter/raw", b"")
    assert reply.headers["content-type"] == "application/octet-stream"
    assert "content-type" not in ingress.request("POST", "/Greeter/evil", b"x").headers


def test_a_trace_goes_on(ingress: Served) -> None:
    parent = "00-" + "a" * 32 + "-" + "b" * 16 + "-01"
    ingress.request("POST", "/Greeter/greet", b"", {"traceparent": parent, "tracestate": "s=1"})
    ingress.request("POST", "/Greeter/greet", b"", {"traceparent": "nonsense"})
    assert [invoke.trace for invoke in ingress.engine.invokes] == [(parent, "s=1"), ("", "")]


def test_an_idempotent_call(ingress: Served) -> None:
    headers = {"Idempotency-Key": "k1"}
    first = ingress.request("POST", "/Counter/c/add", b"1", headers)
    again = ingress.request("POST", "/Counter/c/add", b"1", headers)
    assert (first.status, again.status, len(ingress.engine.invokes)) == (200, 200, 1)
    invoke = ingress.engine.invokes[0]
    assert invoke.id == idempotent_id("Counter", "c", "add", "k1")
    assert invoke.idempotency_key == "k1"
    assert "idempotency-key" not in [name for name, _ in invoke.headers]
    assert "idempotency-expires" not in first.headers
    assert again.headers["idempotency-expires"] == "2027-01-15T08:00:00.123Z"


def test_a_workflow_runs_once(ingress: Served) -> None:
    assert ingress.request("POST", "/Signup/u/run", b"").status == 200
    again = ingress.request("POST", "/Signup/u/run", b"")
    assert again.status == 409
    assert again.headers["x-restate-error-source"] == "invocation"
    sent = ingress.request("POST", "/Signup/u/run/send", b"")
    assert (sent.status, sent.json()["status"]) == (202, "PreviouslyAccepted")
    assert sent.json()["invocationId"] == invocation_id_to_str(workflow_id("Signup", "u"))
    refused = ingress.request("POST", "/Signup/v/run", b"", {"idempotency-key": "k"})
    assert refused.status == 400
    shared = ingress.request("POST", "/Signup/u/click", b"", {"idempotency-key": "k"})
    assert shared.status == 200


def test_a_send(ingress: Served) -> None:
    reply = ingress.request("POST", "/Greeter/greet/send", b"x")
    (invoke,) = ingress.engine.invokes
    id_text = invocation_id_to_str(invoke.id)
    assert reply.status == 202
    assert reply.json() == {"invocationId": id_text, "status": "Accepted"}
    assert reply.headers["x-restate-id"] == id_text


@pytest.mark.parametrize(
    ("query", "delay_ms"),
    [
        ("delay=PT60S", 60_000),
        ("DELAY=60%20sec", 60_000),
        ("delay=1h+4m", 3_840_000),
        ("other=1&delay=1500", 1_500),
        ("other=%FF&%C3&delay=1s", 1_000),
        ("a=1&" * 200 + "delay=1s", 1_000),
        ("delay=0", 0),
    ],
)
def test_a_delayed_send(ingress: Served, query: str, delay_ms: int) -> None:
    reply = ingress.request("POST", f"/Greeter/greet/send?{query}", b"x")
    assert reply.status == 202
    (invoke,) = ingress.engine.invokes
    assert invoke.start_at_ms == (NOW_MS + delay_ms if delay_ms else 0)
    assert ("executionTime" in reply.json()) == bool(delay_ms)
    if delay_ms == 60_000:
        assert reply.json()["executionTime"] == "2023-11-14T22:14:20.000Z"


def test_a_delayed_send_again_tells_when_the_first_one_starts(ingress: Served) -> None:
    ingress.engine.hold = True
    headers = {"idempotency-key": "k"}
    for query in ("?delay=60s", "?delay=10s", ""):
        said = ingress.request("POST", f"/Greeter/greet/send{query}", b"x", headers).json()
        assert said["executionTime"] == "2023-11-14T22:14:20.000Z"
        assert said["status"] == ("Accepted" if query == "?delay=60s" else "PreviouslyAccepted")
    ingress.do(ingress.engine.finish, ingress.engine.invokes[0].id, b"")
    done = ingress.request("POST", "/Greeter/greet/send?delay=10s", b"x", headers).json()
    assert "executionTime" not in done


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/Greeter/greet/send?delay=1y", {}),
        ("/Greeter/greet/send?delay=", {}),
        ("/Greeter/greet/send?delay=-1", {}),
        ("/Greeter/greet/send?delay=%FF", {}),
        ("/Greeter/greet/send?delay=99999999999999999999", {}),
        ("/Greeter/greet?delay=1s", {}),
        ("/Greeter/greet?limit-key=a", {}),
        ("/Greeter/greet", {"x-restate-limit-key": "a"}),
        ("/Greeter/greet", {"idempotency-key": ""}),
        ("/Greeter/greet", {"idempotency-key": "k" * 5000}),
    ],
)
def test_bad_calls(ingress: Served, path: str, headers: dict[str, str]) -> None:
    reply = ingress.request("POST", path, b"x", headers)
    assert reply.status == 400, reply.text
    assert reply.headers["x-restate-error-source"] == "ingress"
    assert reply.json()["source"] == "ingress"
    assert reply.json()["code"] == 400
    assert not ingress.engine.invokes


@pytest.mark.parametrize(
    ("handler", "body", "content_type", "status"),
    [
        ("json", b"1", "application/json", 200),
        ("json", b"1", "application/json; charset=utf-8", 200),
        ("json", b"", "application/json", 400),
        ("json", b"1", "text/plain", 400),
        ("json", b"1", None, 400),
        ("maybe", b"", None, 200),
        ("maybe", b"1", None, 400),
        ("text", b"hi", "text/html", 200),
        ("text", b"hi", "image/png", 400),
        ("nothing", b"", None, 200),
        ("nothing", b"x", None, 400),
        ("nothing", b"", "text/plain", 400),
        ("greet", b"x", "any/thing", 200),
    ],
)
def test_input_rules(
    ingress: Served, handler: str, body: bytes, content_type: str | None, status: int
) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    reply = ingress.request("POST", f"/Greeter/{handler}", body, headers)
    assert reply.status == status, reply.text


@pytest.mark.parametrize(
    ("code", "status"), [(500, 500), (404, 404), (470, 470), (999, 999), (200, 500), (65535, 500)]
)
def test_a_failure_of_the_invocation(ingress: Served, code: int, status: int) -> None:
    ingress.engine.outcome = Failure(code, "no luck", (("a", "b"),))
    reply = ingress.request("POST", "/Greeter/greet", b"x")
    assert reply.status == status
    assert reply.headers["x-restate-error-source"] == "invocation"
    assert reply.headers["x-restate-id"].startswith("inv_1")
    assert reply.json() == {
        "code": code,
        "message": "no luck",
        "metadata": {"a": "b"},
        "source": "invocation",
    }


@pytest.mark.parametrize("path", ["/Greeter/greet", "/Greeter/greet/send"])
def test_when_the_log_is_not_there(ingress: Served, path: str) -> None:
    ingress.engine.refuse = Unavailable("no broker", kept=False)
    reply = ingress.request("POST", path, b"x")
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert reply.headers["x-restate-error-source"] == "ingress"
    ingress.engine.refuse = Unavailable("no answer", kept=True)
    reply = ingress.request("POST", path, b"x")
    assert reply.status == 500
    assert reply.headers["x-restate-error-source"] == "invocation"
    assert reply.headers["x-restate-id"].startswith("inv_1")
    assert "retry-after" not in reply.headers


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/Greeter/greet", {"idempotency-key": "k"}),
        ("/Greeter/greet/send", {"idempotency-key": "k"}),
        ("/Counter/c/add", {"idempotency-key": "k"}),
        ("/Signup/u/run", {}),
        ("/Signup/u/run/send", {}),
        ("/Signup/u/click", {"idempotency-key": "k"}),
    ],
)
def test_who_can_safely_ask_again_is_told_to(
    ingress: Served, path: str, headers: dict[str, str]
) -> None:
    """A change of leader, or an append of unknown fate."""
    ingress.engine.refuse = Unavailable("another node leads", kept=True)
    reply = ingress.request("POST", path, b"x", headers)
    assert (reply.status, reply.headers["retry-after"]) == (503, "1")
    assert reply.headers["x-restate-error-source"] == "ingress"
    assert reply.headers["x-restate-id"].startswith("inv_1")


@pytest.mark.parametrize("path", ["/Greeter/greet", "/Counter/c/add", "/Signup/u/click"])
def test_who_cannot_safely_ask_again_is_not_told_to(ingress: Served, path: str) -> None:
    ingress.engine.refuse = Unavailable("another node leads", kept=True)
    reply = ingress.request("POST", path, b"x")
    assert (reply.status, reply.headers["x-restate-error-source"]) == (500, "invocation")


def test_a_closed_gate(ingress: Served) -> None:
    assert ingress.request("GET", "/restate/health").status == 200
    services = json.loads(ingress.request("GET", "/restate/health").body)["services"]
    assert services == ["Greeter", "Counter", "Signup", "Private"]
    ingress.gate.why_closed = "starting"
    for path in ("/Greeter/greet", "/Greeter/greet/send", "/restate/awakeables/x/resolve"):
        reply = ingress.request("POST", path, b"")
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert reply.json()["message"] == "starting"
    assert ingress.request("GET", "/restate/health").status == 503
    assert not ingress.engine.invokes
    assert not ingress.engine.operations


def test_what_one_partition_cannot_take_the_others_can(ingress: Served) -> None:
    """The engine refuses by partition; only who asks for health hears of all of them."""
    ingress.gate.why_unready = "partition 3 is stopped"
    health = ingress.request("GET", "/restate/health")
    assert (health.status, health.headers["retry-after"]) == (503, "1")
    assert health.json()["message"] == "partition 3 is stopped"
    assert ingress.request("POST", "/Greeter/greet", b"x").status == 200
    awakeable = awakeable_id_to_str(bytes(24), 17)
    assert ingress.request("POST", f"/restate/a/{awakeable}/resolve", b"").status == 202


def test_preflight(ingress: Served) -> None:
    reply = ingress.request("OPTIONS", "/Greeter/greet", headers={"origin": "http://a"})
    assert reply.status == 200
    for what in ("origin", "methods", "headers"):
        assert reply.headers[f"access-control-allow-{what}"] == "*"
    asks = {"origin": "http://a", "access-control-request-headers": "authorization,x-a"}
    reply = ingress.request("OPTIONS", "/Greeter/greet", headers=asks)
    assert reply.headers["access-control-allow-headers"] == "authorization,x-a"


def test_a_bug_is_a_500_and_harms_nobody_else(ingress: Served) -> None:
    ingress.engine.new_id = lambda: 1 / 0  # type: ignore[assignment,return-value]
    try:
        assert ingress.request("POST", "/Greeter/greet", b"").status == 500
    finally:
        del ingress.engine.new_id
    assert ingress.request("POST", "/Greeter/greet", b"").status == 200


def test_a_bad_one_way_send_is_taken_and_says_why_it_is_bad(ingress: Served) -> None:
    """It becomes a dead letter; who waits for a send is refused."""
    body = b'{"topic": "t", "partition": -1}'
    refused = ingress.request("POST", "/Kafka/send", body, JSON)
    assert refused.status == 400 and not ingress.engine.invokes
    sent = ingress.request("POST", "/Kafka/send/send", body, JSON)
    assert sent.status == 202
    (invoke,) = ingress.engine.invokes
    assert invoke.produce is not None and "partition" in invoke.produce.refusal
    assert invoke.body == body
