"""What no SDK says by itself: how an error is to be handled, acknowledgements; and traces."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from perdure import wire
from perdure.wire import codes
from tests.e2e.conftest import AnyServer, client_of
from tests.parts.client import Client, fresh
from tests.parts.scripted_service import Behaviour, Exchange, ScriptedService, output

DELAY_MS = 700


def error(behavior: int = codes.BEHAVIOR_RETRY, delay_ms: int | None = None) -> bytes:
    message = wire.Error(571, "as scripted", next_retry_delay=delay_ms, behavior=behavior)
    return wire.encode(message, version=wire.VERSION_MAX)


def first(answer: bytes) -> Behaviour:
    """So the first attempt; the ones after it end well."""

    def behave(exchange: Exchange) -> None:
        exchange.answer(answer if exchange.attempt == 1 else output(f"attempt {exchange.attempt}"))

    return behave


def traced(exchange: Exchange) -> None:
    exchange.answer(output(exchange.request.headers["traceparent"] or ""))


def acknowledged(exchange: Exchange) -> None:
    flagged = wire.encode(wire.SleepCommand(1, 1), flags=wire.REQUESTED_ACK)
    exchange.answer(flagged + output("stored"))


def service(version: int) -> ScriptedService:
    behaviours = {
        "pauses": first(error(codes.BEHAVIOR_PAUSE)),
        "fails": first(error(codes.BEHAVIOR_FAIL)),
        "waits": first(error(delay_ms=DELAY_MS)),
        "traced": traced,
        "acknowledged": acknowledged,
    }
    scripted = ScriptedService(f"Raw{version}{fresh('')[1:]}", behaviours)
    scripted.manifest = scripted.good_manifest() | {"maxProtocolVersion": version}
    return scripted


@pytest.fixture(scope="module", params=[5, 6, 7])
def raw(request: pytest.FixtureRequest, shared_server: AnyServer) -> Iterator[ScriptedService]:
    with service(request.param) as scripted:
        client_of(shared_server).register(scripted.uri, use_http_11=True)
        yield scripted


def version_of(raw: ScriptedService) -> int:
    return int(raw.manifest["maxProtocolVersion"])


def test_an_error_may_ask_for_a_pause(client: Client, raw: ScriptedService) -> None:
    invocation = client.send((raw.name, "pauses"))
    if version_of(raw) >= 7:
        client.wait_status(invocation, "paused")
        assert raw.attempts["pauses"] == 1
        client.operate(invocation, "resume").expect(200)
    reply = client.attach(invocation)
    assert (reply.status, reply.json()) == (200, "attempt 2"), reply.text


def test_an_error_may_be_final(client: Client, raw: ScriptedService) -> None:
    reply = client.post((raw.name, "fails"))
    if version_of(raw) >= 7:
        assert (reply.status, reply.json()["message"]) == (571, "as scripted"), reply.text
        assert raw.attempts["fails"] == 1
    else:  # the field means nothing there
        assert (reply.status, reply.json()) == (200, "attempt 2"), reply.text


def test_an_error_may_say_when_to_try_again(client: Client, raw: ScriptedService) -> None:
    started = time.monotonic()
    assert client.call((raw.name, "waits")) == "attempt 2"
    took_s = time.monotonic() - started
    assert DELAY_MS / 1000 <= took_s < DELAY_MS / 1000 + 5, took_s


def test_the_trace_of_a_request_reaches_the_service(client: Client, raw: ScriptedService) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
    version, seen, parent, flags = client.call((raw.name, "traced"), headers=headers).split("-")
    assert (version, seen, flags) == ("00", trace, "01")
    assert len(parent) == 16
    assert client.call((raw.name, "traced")) == ""


def test_a_command_may_ask_for_an_acknowledgement(client: Client, raw: ScriptedService) -> None:
    """There is no way back to a service over HTTP/1.1: its command is stored like any other."""
    assert client.call((raw.name, "acknowledged")) == "stored"
