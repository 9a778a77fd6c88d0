"""A value of exactly the limit: what the ingress takes fits through every way inside."""

from collections.abc import Iterator

import pytest

from tests.parts.client import http_request
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


@pytest.mark.parametrize(
    "path", ["/Payloads/echo", "/Payloads/step", "/Payloads/call", "/Keeper/k/keep"]
)
def test_a_value_of_exactly_the_limit(server: PerdureServer, path: str) -> None:
    reply = http_request(server.ingress, "POST", path, WHOLE, JSON).expect(200)
    assert reply.body == WHOLE


def test_a_state_of_exactly_the_limit_is_read_by_the_next(server: PerdureServer) -> None:
    http_request(server.ingress, "POST", "/Keeper/n/keep", WHOLE, JSON).expect(200)
    reply = http_request(server.ingress, "POST", "/Keeper/n/kept", None, {}).expect(200)
    assert reply.body == WHOLE


def test_one_byte_more_is_refused(server: PerdureServer) -> None:
    http_request(server.ingress, "POST", "/Payloads/echo", WHOLE + b" ", JSON).expect(413)
