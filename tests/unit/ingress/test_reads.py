"""Attach, output, lookup and awakeables over a real socket."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from orchestrator.model.answers import Answer
from orchestrator.model.ids import idempotent_id, workflow_id
from orchestrator.model.records import Signal
from orchestrator.model.values import Failure
from perdure.wire.ids import awakeable_id_to_str, invocation_id_to_str
from tests.unit.ingress.serving import Served, serving
from tests.unit.ingress.test_http1 import wait_for

ID = bytes(range(24))


@pytest.fixture(scope="module")
def ingress() -> Iterator[Served]:
    with serving() as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(ingress: Served) -> None:
    ingress.engine.__init__()  # type: ignore[misc]
    ingress.gate.__init__()  # type: ignore[misc]


def send(ingress: Served, path: str, headers: dict[str, str] | None = None) -> str:
    reply = ingress.request("POST", path, b"42", headers).expect(202)
    return str(reply.json()["invocationId"])


def test_output_before_and_after(ingress: Served) -> None:
    ingress.engine.hold = True
    id_text = send(ingress, "/Greeter/greet/send")
    early = ingress.request("GET", f"/restate/output/{id_text}")
    assert (early.status, early.headers["x-restate-error-source"]) == (470, "ingress")
    ingress.do(ingress.engine.finish, ingress.engine.invokes[0].id, b"done")
    late = ingress.request("GET", f"/restate/invocation/{id_text}/output")
    assert (late.status, late.body) == (200, b"done")
    assert late.headers["x-restate-id"] == id_text


def test_who_waits_for_a_result_holds_nothing_of_the_request(ingress: Served) -> None:
    """Of thousands that wait each could have sent as much as a payload may be."""
    ingress.engine.hold = True
    id_text = send(ingress, "/Greeter/greet/send")
    body = b"x" * 1_000_000
    request = b"GET /restate/attach/%b HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b"
    with ingress.connect() as connection:
        connection.sendall(request % (id_text.encode(), len(body), body))
        invocation_id = ingress.engine.invokes[0].id
        wait_for(lambda: invocation_id in ingress.engine.waiting)
        (waiting,) = ingress.do(lambda: [one.waiting() for one in ingress.server._shared.open])
        (exchange,) = waiting
        assert (exchange.url, exchange.headers, exchange.body) == (b"", [], b"")
        ingress.do(ingress.engine.finish, invocation_id, b"done")
        assert connection.recv(1_000).endswith(b"done")


@pytest.mark.parametrize("verb", ["attach", "output"])
def test_a_result_has_the_content_type_it_was_made_with(ingress: Served, verb: str) -> None:
    id_text = send(ingress, "/Greeter/raw/send")
    reply = ingress.request("GET", f"/restate/{verb}/{id_text}")
    assert (reply.status, reply.body) == (200, b"42")
    assert reply.headers["content-type"] == "application/octet-stream"


GONE: list[tuple[dict[str, str], bytes]] = [
    (
        {"target": "workflow", "workflowName": "Gone", "workflowKey": "u"},
        workflow_id("Gone", "u"),
    ),
    (
        {
            "target": "idempotentInvocation",
            "service": "Gone",
            "handler": "x",
            "idempotencyKey": "k",
        },
        idempotent_id("Gone", None, "x", "k"),
    ),
    (
        {
            "target": "idempotentInvocation",
            "service": "Counter",
            "key": "c",
            "handler": "gone",
            "idempotencyKey": "k",
        },
        idempotent_id("Counter", "c", "gone", "k"),
    ),
]


@pytest.mark.parametrize(("target", "invocation_id"), GONE)
def test_results_outlive_their_services(
    ingress: Served, target: dict[str, str], invocation_id: bytes
) -> None:
    body = json.dumps(target).encode()
    for verb in ("attach", "output"):
        reply = ingress.request("POST", f"/restate/{verb}", body)
        assert reply.status == 404 and "not found" in reply.json()["message"], reply.text
    ingress.do(ingress.engine.remember, invocation_id, b"kept")
    for verb in ("attach", "output"):
        reply = ingress.request("POST", f"/restate/{verb}", body)
        assert (reply.status, reply.body) == (200, b"kept")
    reply = ingress.request("POST", "/restate/lookup", body)
    assert reply.json() == {"invocationId": invocation_id_to_str(invocation_id)}


def test_attach_waits(ingress: Served) -> None:
    ingress.engine.hold = True
    id_text = send(ingress, "/Signup/u/run/send")
    paths = [
        f"/restate/attach/{id_text}",
        f"/restate/invocation/{id_text}/attach",
        "/restate/workflow/Signup/u/attach",
    ]
    with ThreadPoolExecutor(3) as pool:
        replies = [pool.submit(ingress.request, "GET", path) for path in paths]
        while (
            ingress.do(lambda: len(ingress.engine.waiting.get(workflow_id("Signup", "u"), []))) < 3
        ):
            pass
        ingress.do(ingress.engine.finish, workflow_id("Signup", "u"), Failure(418, "tea"))
        for reply in replies:
            assert reply.result(60).status == 418
            assert reply.result(60).headers["x-restate-error-source"] == "invocation"


def test_unknown_invocations(ingress: Served) -> None:
    id_text = invocation_id_to_str(ID)
    output = ingress.request("GET", f"/restate/output/{id_text}")
    assert (output.status, output.headers["x-restate-error-source"]) == (404, "ingress")
    attach = ingress.request("GET", f"/restate/attach/{id_text}")
    assert (attach.status, attach.headers["x-restate-error-source"]) == (404, "invocation")


@pytest.mark.parametrize("verb", ["attach", "output"])
def test_targets_in_the_body(ingress: Served, verb: str) -> None:
    id_text = send(ingress, "/Greeter/greet/send", {"idempotency-key": "k"})
    send(ingress, "/Counter/c/add/send", {"idempotency-key": "k"})
    send(ingress, "/Signup/u/run/send")
    idempotent = {"target": "idempotentInvocation", "idempotencyKey": "k"}
    for target in (
        {"target": "invocation", "invocationId": id_text},
        idempotent | {"service": "Greeter", "handler": "greet"},
        idempotent | {"service": "Counter", "key": "c", "handler": "add"},
        {"target": "workflow", "workflowName": "Signup", "workflowKey": "u"},
    ):
        reply = ingress.request("POST", f"/restate/{verb}", json.dumps(target).encode())
        assert (reply.status, reply.body) == (200, b"42"), target


def test_lookup_computes_the_id(ingress: Served) -> None:
    target = {"target": "workflow", "workflowName": "Signup", "workflowKey": "nobody"}
    reply = ingress.request("POST", "/restate/lookup", json.dumps(target).encode())
    expected = invocation_id_to_str(workflow_id("Signup", "nobody"))
    assert (reply.status, reply.json()) == (200, {"invocationId": expected})
    body = b'{"target":"idempotentInvocation","service":"Greeter","handler":"greet",'
    body += b'"idempotencyKey":"x"}'
    reply = ingress.request("POST", "/restate/lookup", body)
    expected = invocation_id_to_str(idempotent_id("Greeter", None, "greet", "x"))
    assert reply.json() == {"invocationId": expected}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b"\xff\xfe", 400),
        (b'{"target":"nothing"}', 400),
        (b'{"target":"invocation"}', 400),
        (b'{"target":"invocation","invocationId":1}', 400),
        (b'{"target":"invocation","invocationId":"x"}', 400),
        (b'{"target":"workflow","workflowName":"Signup","workflowKey":"u","scope":"s"}', 400),
        (b'{"target":"workflow","target":"workflow","workflowName":"A","workflowKey":"u"}', 400),
        (b'{"target":"workflow","workflowName":"A","workflowKey":"u","workflowKey":"v"}', 400),
        (b"[" * 60_000, 400),
        (b'{"target":"invocation","x":' + b"[" * 60_000, 400),
        (b'{"target":"invocation","x":[' + b"{}," * 300_000 + b"{}]}", 413),
        (b'{"target":"workflow","x":' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"}", 400),
    ],
)
def test_bad_targets(ingress: Served, body: bytes, status: int) -> None:
    for verb in ("attach", "output", "lookup"):
        reply = ingress.request("POST", f"/restate/{verb}", body)
        assert reply.status == status, reply.text
        assert reply.json()["source"] == "ingress"


def test_awakeables(ingress: Served) -> None:
    text = awakeable_id_to_str(ID, 17)
    reply = ingress.request("POST", f"/restate/awakeables/{text}/resolve", b"value")
    assert (reply.status, reply.body) == (202, b"")
    assert ingress.request("POST", f"/restate/a/{text}/reject", "nö".encode()).status == 202
    now_ms = 1_700_000_000_000
    assert ingress.engine.operations == [
        Signal(ID, 17, "", b"value", now_ms),
        Signal(ID, 17, "", Failure(500, "nö"), now_ms),
    ]


def test_an_awakeable_of_one_that_takes_no_more_signals(ingress: Served) -> None:
    ingress.engine.answer = Answer.TOO_MANY_SIGNALS
    text = awakeable_id_to_str(ID, 17)
    reply = ingress.request("POST", f"/restate/awakeables/{text}/resolve", b"value")
    assert reply.status == 429 and reply.json()["source"] == "ingress"


def test_an_awakeable_of_old_protocols_is_one_that_nobody_waits_for(ingress: Served) -> None:
    for verb in ("resolve", "reject"):
        path = f"/restate/awakeables/prom_1{'A' * 38}/{verb}"
        assert ingress.request("POST", path, b"x").status == 202
    assert not ingress.engine.operations


@pytest.mark.parametrize(
    ("awakeable", "verb", "body"),
    [
        ("sign_1", "resolve", b""),
        ("inv_1" + "0" * 33, "resolve", b""),
        ("prom_1" + "A" * 37, "resolve", b""),
        ("prom_1" + "A" * 38, "reject", b"\xff"),
        (awakeable_id_to_str(ID, 17), "reject", b"\xff"),
    ],
)
def test_bad_awakeables(ingress: Served, awakeable: str, verb: str, body: bytes) -> None:
    reply = ingress.request("POST", f"/restate/awakeables/{awakeable}/{verb}", body)
    assert reply.status == 400
    assert not ingress.engine.operations


def test_reads_when_closed(ingress: Served) -> None:
    id_text = send(ingress, "/Greeter/greet/send")
    ingress.gate.why_unready = "the log cannot be written"
    assert ingress.request("GET", f"/restate/output/{id_text}").status == 200
    ingress.gate.why_closed = "starting"
    assert ingress.request("GET", f"/restate/output/{id_text}").status == 503
