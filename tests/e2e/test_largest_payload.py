"""A value of exactly the limit: what the ingress takes fits through every way inside."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.model.limits import PAYLOAD_BYTES_MAX
from tests.parts.client import Reply, fresh, http_request
from tests.parts.kafka import KafkaBroker
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.scale.payloads import register, service

LIMIT_BYTES = 1 << 20
WHOLE = b'"' + b"x" * (LIMIT_BYTES - 2) + b'"'
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PerdureServer]:
    served, uri = service()
    options = ServerOptions(env={"PERDURE_PAYLOAD_MAX": str(LIMIT_BYTES)})
    started = PerdureServer(tmp_path_factory.mktemp("limit"), options).start()
    try:
        register(started, uri)
        yield started
    finally:
        started.stop()
        served.stop()


@pytest.fixture
def kafka_server(tmp_path: Path, broker: KafkaBroker) -> Iterator[PerdureServer]:
    """With the limit as it is by itself, over the log that copies the most."""
    served, uri = service()
    options = ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster=fresh("largest"))
    started = PerdureServer(tmp_path, options).start()
    try:
        register(started, uri)
        yield started
    finally:
        started.stop()
        served.stop()


@pytest.mark.parametrize(
    "path",
    [
        "/Payloads/echo",
        "/Payloads/step",
        "/Payloads/call",
        "/Payloads/awakeable",
        "/Payloads/signal",
        "/Keeper/k/keep",
        "/PayloadFlow/k/run",
    ],
)
def test_a_value_of_exactly_the_limit(server: PerdureServer, path: str) -> None:
    reply = http_request(server.ingress, "POST", path, WHOLE, JSON).expect(200)
    assert reply.body == WHOLE


def test_a_result_of_exactly_the_limit_is_attached_to(server: PerdureServer) -> None:
    sent = http_request(server.ingress, "POST", "/Payloads/echo/send", WHOLE, JSON).expect(202)
    path = f"/restate/invocation/{sent.json()['invocationId']}/attach"
    assert http_request(server.ingress, "GET", path).expect(200).body == WHOLE


def test_a_state_of_exactly_the_limit_is_read_by_the_next(server: PerdureServer) -> None:
    http_request(server.ingress, "POST", "/Keeper/n/keep", WHOLE, JSON).expect(200)
    reply = http_request(server.ingress, "POST", "/Keeper/n/kept", None, {}).expect(200)
    assert reply.body == WHOLE


def test_one_byte_more_is_refused(server: PerdureServer) -> None:
    http_request(server.ingress, "POST", "/Payloads/echo", WHOLE + b" ", JSON).expect(413)


@pytest.mark.timeout(300)
def test_the_largest_payload_over_kafka(kafka_server: PerdureServer) -> None:
    """As input, step, state and result; and as read back from the log by an empty directory."""
    whole = b'"' + b"x" * (PAYLOAD_BYTES_MAX - 2) + b'"'

    def asked(path: str, body: bytes | None) -> Reply:
        headers = {} if body is None else JSON
        return http_request(kafka_server.ingress, "POST", path, body, headers, timeout_s=120.0)

    assert asked("/Payloads/step", whole).expect(200).body == whole
    assert asked("/Keeper/k/keep", whole).expect(200).body == whole
    asked("/Keeper/k/keep", whole + b" ").expect(413)
    kafka_server.kill()
    shutil.rmtree(kafka_server.data_dir)
    kafka_server.start(120.0)
    assert asked("/Keeper/k/kept", None).expect(200).body == whole
