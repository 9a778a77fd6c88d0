"""`python -m perdure`: finds the app, serves it by one process or several, and ends cleanly."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.parts.processes import free_port, port_open, wait_until

APP = """
import os
from perdure.service import Service
from perdure.transports.application import App

print(f"loaded {os.getpid()}")
print(f"half a line of {os.getpid()}", end="")

class Pid:
    def __init__(self, handler, version, send, ended, loop, headers):
        self.send, self.ended = send, ended
    def feed(self, data): pass
    def lost(self): pass
    def end_input(self):
        self.send(str(os.getpid()).encode())
        self.ended()

service = Service("S")

@service.handler
async def h(ctx) -> None: ...

app = App([service], Pid)
other = 7
"""


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "perdure", *arguments]


def _file(directory: Path, text: str = APP) -> str:
    path = directory / "app.py"
    path.write_text(text)
    return str(path)


@contextmanager
def _serving(*arguments: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """What it prints goes to a file, as a supervisor of services has it."""
    port = free_port()
    env = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = _command(*arguments, "--port", str(port))
    with (cwd / "printed").open("w") as printed:
        process = subprocess.Popen(
            command, stdout=printed, stderr=subprocess.PIPE, text=True, cwd=cwd, env=env
        )
    try:
        wait_until(lambda: port_open(port) or process.poll() is not None, 60, "it listens")
        assert process.poll() is None, process.communicate()[1]
        yield process, port
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _served_by(port: int, count: int = 1) -> list[int]:
    """The processes that serve so many connections, which are open at the same time."""
    head = {"content-type": "application/vnd.restate.invocation.v7"}
    with ExitStack() as stack:
        found = []
        for _ in range(count):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            stack.callback(connection.close)
            connection.request("POST", "/invoke/S/h", b"x", head)
            found.append(int(connection.getresponse().read()))
        return found


@pytest.mark.parametrize("named", ["app.py", "app.py:app", "app", "app:app"])
def test_an_app_is_served_until_a_signal(tmp_path: Path, named: str) -> None:
    _file(tmp_path)
    with _serving(named, cwd=tmp_path) as (process, port):
        assert _served_by(port) == [process.pid]
        printed = tmp_path / "printed"
        assert printed.read_text() == f"loaded {process.pid}\n"  # at once
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=20)
        assert process.returncode == 0
        assert printed.read_text().endswith(f"\nhalf a line of {process.pid}")
        assert f"serving S at http://127.0.0.1:{port}" in said


def test_connections_are_spread_over_processes(tmp_path: Path) -> None:
    with _serving(_file(tmp_path), "--workers", "2", cwd=tmp_path) as (process, port):
        served = _served_by(port, 4)
        assert len(set(served)) == 2 and process.pid not in served
        assert served[:2] == served[2:]  # in turn
        printed = tmp_path / "printed"
        assert all(f"loaded {one}\n" in printed.read_text() for one in served)
        os.kill(served[0], signal.SIGKILL)

        def replaced() -> bool:
            try:
                return len(set(_served_by(port, 2)) - {served[0]}) == 2
            except (OSError, http.client.HTTPException):
                return False

        wait_until(replaced, 30, "another process serves")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
        assert process.returncode == 0
        assert f"half a line of {served[1]}" in printed.read_text()


def _fails(*arguments: str, cwd: Path) -> str:
    done = subprocess.run(
        _command(*arguments, "--port", str(free_port())),
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
    )
    assert done.returncode == 1
    return done.stderr


def test_what_cannot_be_served_is_said(tmp_path: Path) -> None:
    _file(tmp_path)
    assert "there is no file nowhere.py" in _fails("nowhere.py", cwd=tmp_path)
    assert "there is no module 'nowhere'" in _fails("nowhere", cwd=tmp_path)
    assert "app.py has no 'wrong'; it has app" in _fails("app.py:wrong", cwd=tmp_path)
    assert "write app = perdure.app(service)" in _fails("app.py:service", cwd=tmp_path)
    assert "is 'int', made by no perdure.app()" in _fails("app.py:other", cwd=tmp_path)
    for workers in ("1", "2"):
        (tmp_path / "bad.py").write_text("import nothing_that_is_there\n")
        said = _fails("bad.py", "--workers", workers, cwd=tmp_path)
        assert "No module named 'nothing_that_is_there'" in said and "bad.py" in said


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        began_s = time.monotonic()
        done = subprocess.run(
            _command(_file(tmp_path), "--port", port), capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 1 and "choose another port by --port" in done.stderr
        assert time.monotonic() - began_s < 60
