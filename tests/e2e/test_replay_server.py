"""`perdure replay --since`: the journals of a running server against another code of its app."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.client import Client
from tests.parts.processes import Process, free_port, port_open, wait_until
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

APP = """\
from datetime import timedelta

import perdure

greeter = perdure.Service("Greeter")
other = perdure.Service("Other")


@greeter.handler(journal_retention=timedelta(days=1))
async def greet(ctx: perdure.Context, name: str) -> str:
    return await ctx.step(lambda: f"Hello {name}", name="word")


@greeter.handler
async def wait(ctx: perdure.Context) -> None:
    await ctx.step(lambda: 1, name="first")
    await ctx.sleep(timedelta(days=1))


@other.handler(journal_retention=timedelta(days=1))
async def count(ctx: perdure.Context) -> int:
    return await ctx.step(lambda: 1, name="count")


app = perdure.app(greeter, other)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PerdureServer]:
    directory = tmp_path_factory.mktemp("replay")
    (directory / "app.py").write_text(APP)
    port = free_port()
    command = [sys.executable, "-m", "perdure", "app.py", "--port", str(port)]
    app = Process("app", command, cwd=directory, log_dir=directory)
    server = PerdureServer(directory, ServerOptions(inactivity_timeout="0s"))
    try:
        app.start()
        wait_until(lambda: port_open(port), 30, "the app serves")
        server.start()
        client = Client(server.ingress, server.admin)
        client.register(f"http://127.0.0.1:{port}")
        assert client.call(("Greeter", "greet"), "Ann") == "Hello Ann"
        assert client.call(("Other", "count")) == 1
        client.wait_status(client.send(("Greeter", "wait")), "suspended")
        yield server
    finally:
        server.stop()
        app.stop()


def replay(server: PerdureServer, app: Path, *words: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "orchestrator.cli.main", "--admin", server.admin, "replay"]
    done = subprocess.run([*command, str(app), *words], capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout + done.stderr


# (what is changed in the app, what is asked, the exit code, what is said)
CASES = [
    ("", ["--since", "7d"], 0, "\n3 replayed, 0 of"),
    ("", ["--since", "7d", "--service", "Greeter"], 0, "\n2 replayed, 0 of"),
    ("", ["--since", "7d", "--service", "Greeter", "--handler", "wait"], 0, "\n1 replayed, 0 of"),
    ("", ["--since", "1h", "--running"], 0, "\n1 replayed, 0 of"),
    ("", ["--since", "7d", "--service", "Nobody"], 0, "\n0 replayed, 0 of"),
    ('"count"', ["--since", "7d"], 1, "Run 'count'"),
    ('"count"', ["--since", "7d", "--service", "Greeter"], 0, "\n2 replayed, 0 of"),
    ('"first"', ["--running"], 1, "Run 'first'"),
    (
        '"word"',
        ["--service", "Greeter", "--limit", "1"],
        0,
        "\n1 replayed, 0 of",
    ),  # the newest waits
]


@pytest.mark.parametrize(("changed", "words", "code", "said"), CASES)
def test_journals_of_a_server(
    server: PerdureServer, tmp_path: Path, changed: str, words: list[str], code: int, said: str
) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.replace(changed, '"renamed"') if changed else APP)
    status, shown = replay(server, app, *words)
    assert (status, said in f"\n{shown}") == (code, True), shown


def test_as_json(server: PerdureServer, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(APP.replace('"count"', '"renamed"'))
    status, shown = replay(server, app, "--since", "7d", "--json")
    assert status == 1
    found = json.loads(shown)
    assert len(found) == 3, found
