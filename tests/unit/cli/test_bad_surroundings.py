"""Commands whose address, server, arguments or streams are not as they should be say so."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from orchestrator.cli.exits import EXIT_UNREACHABLE, EXIT_USAGE
from orchestrator.cli.main import main

COMMANDS = (
    ("services", "list"),
    ("services", "describe", "x"),
    ("invocations", "list"),
    ("invocations", "restart-as-new", "x"),
    ("state", "get", "S", "k"),
    ("deployments", "list"),
    ("deployments", "register", "http://x"),
    ("kafka-clusters", "list"),
    ("subscriptions", "describe", "x"),
    ("dlq", "list"),
    ("feeds", "list"),
    ("sql", "SELECT 1"),
    ("health",),
)


class AnotherServer(BaseHTTPRequestHandler):
    """Answers everything with JSON that is nothing of ours."""

    body = b"[]"

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), AnotherServer)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_another_server_is_not_taken_for_ours(
    command: tuple[str, ...], address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--admin", address, *command]) == EXIT_UNREACHABLE
    assert "not the admin API of a Perdure server" in capsys.readouterr().err


@pytest.mark.parametrize(
    "address", ["http://[::1", "http://a b", "http://", "x:99999", "ftp://x", "http://u:secret@x"]
)
def test_what_is_no_address(address: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--admin", address, "services", "list"]) == EXIT_USAGE
    said = capsys.readouterr().err
    assert "is no address of an admin API" in said and "secret" not in said


def test_an_argument_that_is_not_utf_8(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["services", "describe", "\udcff"]) == EXIT_USAGE
    assert "is not UTF-8" in capsys.readouterr().err


def _shell(line: str) -> subprocess.CompletedProcess[str]:
    command = f"{sys.executable} -m orchestrator.cli.main {line}"
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="there is no /dev/full")
def test_output_that_cannot_be_written() -> None:
    run = _shell("explain > /dev/full")
    assert (run.returncode, run.stderr) == (1, "perdure: No space left on device\n")


def test_output_that_is_closed() -> None:
    assert _shell("explain >&-").returncode == 0


def test_a_terminal_without_the_characters() -> None:
    line = [sys.executable, "-m", "orchestrator.cli.main", "explain", "PD0001"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    run = subprocess.run(line, env=environment, capture_output=True, timeout=60)
    assert run.returncode == 0 and b"\\u2026" in run.stdout


@pytest.mark.parametrize(
    "words",
    ["invocations list --limit 0", "dlq list --limit -1", "invocations list --limit 9999999999",
     "health --wait nan", "health --wait -1"],
)  # fmt: skip
def test_numbers_that_are_none(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == EXIT_USAGE
    assert "is no" in capsys.readouterr().err
