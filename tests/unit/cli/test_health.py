"""`perdure health`: what probes and scripts get."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from orchestrator.cli.main import main
from tests.parts.processes import free_port


class Server:
    """Answers /v4/health with a status that may change."""

    def __init__(self) -> None:
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                healthy = outer.status == 200
                body = b"" if healthy else json.dumps({"message": "it is starting"}).encode()
                self.send_response(outer.status if self.path == "/v4/health" else 404)
                self.send_header("x-perdure-version", "0.1.0")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_a_server_that_takes_work(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--admin", server.address, "health"]) == 0
    assert "takes new work" in capsys.readouterr().out
    assert main(["--admin", server.address, "health", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"healthy": True}


def test_one_that_does_not(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.status = 503
    assert main(["--admin", server.address, "health"]) == 1
    assert "it is starting" in capsys.readouterr().err


def test_none(capsys: pytest.CaptureFixture[str]) -> None:
    began_s = time.monotonic()
    assert main(["--admin", f"http://127.0.0.1:{free_port()}", "health", "--wait", "0.5"]) == 3
    assert time.monotonic() - began_s >= 0.5
    assert "no server answers" in capsys.readouterr().err


def test_waiting_until_it_does(server: Server) -> None:
    server.status = 503
    later = threading.Timer(0.5, lambda: setattr(server, "status", 200))
    later.start()
    assert main(["--admin", server.address, "health", "--wait", "60"]) == 0
    later.join()
