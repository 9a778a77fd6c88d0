"""Services that lie, hang, reset or speak nonsense: clear errors, retries, and nobody else hurt."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import SERVER_CLASS, AnyServer, client_of, start_server
from tests.parts.client import Client, Reply, fresh
from tests.parts.scripted_service import Behaviour, Exchange, ScriptedService, frame, output
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices

BAD_ATTEMPTS = 2
REFERENCE = SERVER_CLASS is not PerdureServer
REFERENCE_TAKES = {"twice-the-handler", "twice-the-service"}


@pytest.fixture(scope="module")
def impatient(
    tmp_path_factory: pytest.TempPathFactory, typescript: TypeScriptServices
) -> Iterator[AnyServer]:
    """A server that gives up on a silent service after a short while."""
    options = ServerOptions(
        inactivity_timeout="200ms", abort_timeout="300ms", retry_initial_interval="10ms"
    )
    server = start_server(tmp_path_factory.mktemp("impatient"), options)
    client_of(server).register(typescript.uri)
    yield server
    server.stop()


def at_first(bad: Behaviour) -> Behaviour:
    """Misbehaves on the first attempts, then answers as it should."""

    def behave(exchange: Exchange) -> None:
        if exchange.attempt <= BAD_ATTEMPTS:
            bad(exchange)
        else:
            exchange.answer(output(f"attempt {exchange.attempt}"))

    return behave


def hang(exchange: Exchange) -> None:
    time.sleep(60)
    exchange.reset()


def half_a_frame(exchange: Exchange) -> None:
    exchange.answer(output("never complete")[:11])


def cut_body(exchange: Exchange) -> None:
    head = (
        f"HTTP/1.1 200 OK\r\ncontent-type: {exchange.content_type}\r\ncontent-length: 1000\r\n\r\n"
    )
    exchange.raw(head.encode() + output("cut")[:9])


BAD: dict[str, Behaviour] = {
    "resets": lambda exchange: exchange.reset(),
    "hangs": hang,
    "garbage": lambda exchange: exchange.answer(b"\xde\xad\xbe\xef" * 100),
    "notHttp": lambda exchange: exchange.raw(b"220 mail.example.com ESMTP\r\n"),
    "halfAFrame": half_a_frame,
    "cutBody": cut_body,
    "empty": lambda exchange: exchange.answer(b""),
    "wrongType": lambda exchange: exchange.answer(output("x"), content_type="text/html"),
    "status404": lambda exchange: exchange.answer(b"not here", 404, "text/plain"),
    "status500": lambda exchange: exchange.answer(b"oh no", 500, "text/plain"),
    "status503": lambda exchange: exchange.answer(b"later", 503, "text/plain"),
    "retryAfter": lambda exchange: exchange.answer(
        b"later", 429, "text/plain", {"retry-after": "0"}
    ),
    "hugeFrame": lambda exchange: exchange.answer(frame(0x0401, b"x", 0xFFFFFFFF)),
    "unknownFrame": lambda exchange: exchange.answer(frame(0x03F0, b"x")),
    "startFromService": lambda exchange: exchange.answer(frame(0x0000, b"")),
    "inputFromService": lambda exchange: exchange.answer(frame(0x0400, b"")),
    "badProtobuf": lambda exchange: exchange.answer(frame(0x0401, b"\xff" * 20)),
    "noTerminal": lambda exchange: exchange.answer(output("x")[:-8]),
    "unknownCallee": lambda exchange: exchange.answer(
        frame(0x040E, b"\x0a\x04None\x12\x04none\x50\x01") + frame(0x0003, b"")
    ),
    "emptySuspension": lambda exchange: exchange.answer(frame(0x0001, b"")),
}


@pytest.fixture(scope="module")
def bad_service(impatient: AnyServer) -> Iterator[ScriptedService]:
    name = f"Bad{fresh('')[1:]}"
    behaviours = {handler: at_first(bad) for handler, bad in BAD.items()}
    with ScriptedService(name, behaviours) as service:
        client_of(impatient).register(service.uri, use_http_11=True)
        yield service


@pytest.mark.skipif(REFERENCE, reason="the reference loses partitions to some of these")
@pytest.mark.parametrize("handler", sorted(BAD))
def test_bad_attempts_are_retried(
    impatient: AnyServer, bad_service: ScriptedService, handler: str
) -> None:
    client = client_of(impatient)
    result = client.call((bad_service.name, handler), timeout_s=40.0)
    assert result == f"attempt {BAD_ATTEMPTS + 1}"
    assert bad_service.attempts[handler] == BAD_ATTEMPTS + 1


def test_one_bad_service_does_not_slow_another(
    impatient: AnyServer, typescript: TypeScriptServices
) -> None:
    client = client_of(impatient)
    with ScriptedService(f"Slow{fresh('')[1:]}", {"hangs": hang}) as service:
        client.register(service.uri, use_http_11=True)
        stuck = [client.send((service.name, "hangs"), key=fresh()) for _ in range(50)]
        started = time.monotonic()
        for _ in range(20):
            assert client.call(("TestUtilsService", "echo"), "quick") == "quick"
        assert time.monotonic() - started < 5.0
        for invocation in stuck:
            client.operate(invocation, "kill").expect(200)


def changed(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], Any]:
    def apply(manifest: dict[str, Any]) -> dict[str, Any]:
        copied = copy.deepcopy(manifest)
        change(copied)
        return copied

    return apply


LIES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "not-json": lambda manifest: b"{",
    "not-an-object": lambda manifest: [],
    "empty": lambda manifest: {},
    "too-new": changed(lambda m: m.update(minProtocolVersion=8, maxProtocolVersion=9)),
    "too-old": changed(lambda m: m.update(minProtocolVersion=1, maxProtocolVersion=4)),
    "upside-down": changed(lambda m: m.update(minProtocolVersion=6, maxProtocolVersion=5)),
    "no-mode": changed(lambda m: m.pop("protocolMode")),
    "unknown-mode": changed(lambda m: m.update(protocolMode="TELEPATHY")),
    "reserved-name": changed(lambda m: m["services"][0].update(name="restateInternals")),
    "bad-name": changed(lambda m: m["services"][0].update(name="has/slash")),
    "bad-handler": changed(lambda m: m["services"][0]["handlers"][0].update(name="a b")),
    "unknown-kind": changed(lambda m: m["services"][0].update(ty="MONOLITH")),
    "twice-the-service": changed(lambda m: m["services"].append(m["services"][0])),
    "twice-the-handler": changed(
        lambda m: m["services"][0]["handlers"].append(m["services"][0]["handlers"][0])
    ),
    "bad-retention": changed(lambda m: m["services"][0].update(journalRetention=-5)),
}


def registration(client: Client, service: ScriptedService) -> Reply:
    payload = {"uri": service.uri, "use_http_11": True}
    return client.admin_request("POST", "/deployments", payload, timeout_s=60)


@pytest.mark.parametrize("lie", sorted(LIES))
def test_manifests_that_lie_are_refused(shared_server: AnyServer, lie: str) -> None:
    client = client_of(shared_server)
    with ScriptedService(f"Liar{fresh('')[1:]}", {"handler": lambda e: e.reset()}) as service:
        service.manifest = LIES[lie](service.good_manifest())
        reply = registration(client, service)
        if REFERENCE and lie in REFERENCE_TAKES:
            return
        assert reply.status >= 400, reply.text
        assert reply.json()["message"]
        client.admin_request("GET", f"/services/{service.name}").expect(404)


@pytest.mark.parametrize(
    ("status", "content_type"),
    [(404, "text/plain"), (500, "text/plain"), (200, "text/html"), (200, "application/json")],
)
def test_answers_that_are_no_manifest_are_refused(
    shared_server: AnyServer, status: int, content_type: str
) -> None:
    client = client_of(shared_server)
    with ScriptedService(f"Liar{fresh('')[1:]}", {"handler": lambda e: e.reset()}) as service:
        service.manifest_status, service.manifest_type = status, content_type
        reply = registration(client, service)
        assert reply.status >= 400, reply.text
        assert reply.json()["message"]


def test_a_clean_manifest_of_the_same_kind_is_taken(shared_server: AnyServer) -> None:
    """So that the refusals above are known to come from the lies."""
    client = client_of(shared_server)
    name = f"Honest{fresh('')[1:]}"
    with ScriptedService(name, {"handler": lambda e: e.answer(output("hi"))}) as service:
        registration(client, service).expect(201)
        assert client.call((name, "handler")) == "hi"


@pytest.mark.skipif(REFERENCE, reason="the limit has another name there")
def test_a_message_over_the_limit_fails_and_others_go_on(tmp_path: Path) -> None:
    options = ServerOptions(
        retry_initial_interval="10ms",
        retry_max_attempts=2,
        retry_on_max_attempts="kill",
        env={"PERDURE_PAYLOAD_MAX": "1MiB"},
    )
    big = frame(0x0401, b"\x72" + b"\x80\x80\x80\x01" + b"\0" * 0x200000)
    server = start_server(tmp_path, options)
    try:
        client = client_of(server)
        behaviours: dict[str, Behaviour] = {
            "big": lambda exchange: exchange.answer(big),
            "small": lambda exchange: exchange.answer(output("fine")),
        }
        with ScriptedService(f"Big{fresh('')[1:]}", behaviours) as service:
            client.register(service.uri, use_http_11=True)
            assert client.post((service.name, "big")).status == 500
            assert client.call((service.name, "small")) == "fine"
            reply = client.post((service.name, "small"), b"x" * 0x200000)
            assert reply.status == 413, reply.text
    finally:
        server.stop()
