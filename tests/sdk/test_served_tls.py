"""An engine and a service on the SDK's own server, over TLS, with one process and with several."""

from __future__ import annotations

import socket
import ssl
import sys
from pathlib import Path

import pytest

from tests.parts.cache import REPOSITORY
from tests.parts.certificates import make_certificate
from tests.parts.client import Client, at_once
from tests.parts.processes import Process, free_port, wait_until
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

_COUNT = 24


def _answers(port: int, trusted: Path) -> bool:
    context = ssl.create_default_context(cafile=trusted)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 1) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
        ):
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
            return connection.recv(12) == b"HTTP/1.1 200"
    except OSError:
        return False


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("http1", [False, True])
def test_an_engine_and_a_service_over_tls(tmp_path: Path, workers: int, http1: bool) -> None:
    certificate = make_certificate(tmp_path)
    port = free_port()
    command = [sys.executable, "-m", "perdure", "tests.sdk.served_app:app", "--port", str(port)]
    command += ["--tls-cert", str(certificate.with_key), "--workers", str(workers)]
    command += ["--http1"] if http1 else []
    served = Process("served-tls", command, {}, REPOSITORY, tmp_path)
    env = {"PERDURE_SERVICES_CA_FILE": str(certificate.trusted)}
    server = PerdureServer(tmp_path, ServerOptions(env=env))
    try:
        served.start()
        wait_until(lambda: _answers(port, certificate.trusted), 30, "the service answers")
        server.start()
        client = Client(server.ingress, server.admin)
        # Who speaks no TLS, or breaks off, harms nobody and leaves no traceback.
        for said in (b"GET /health HTTP/1.1\r\n\r\n", b""):
            with socket.create_connection(("127.0.0.1", port), 5) as stranger:
                stranger.sendall(said)
        client.register(f"https://127.0.0.1:{port}", use_http_11=http1)
        calls = [lambda: client.call(("Greeter", "steps"), 3) for _ in range(_COUNT)]
        assert at_once(calls) == [[1] * 6] * _COUNT
        assert client.call(("Greeter", "blocking"), 3) == [1, 1, 1, 5]
    finally:
        server.stop()
        status = served.stop()
    assert status == 0
    assert "Traceback" not in served.log.read_text()
