"""`perdure dev`: what is shown works, and a change of a file is served at once."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.client import http_request
from tests.parts.processes import Process, free_port, port_open, wait_until

APP = """\
from datetime import timedelta
import perdure

greeter = perdure.Service("Greeter")
waiter = perdure.Service("Waiter")


@greeter.handler
async def greet(ctx: perdure.Context, name: str) -> str:
    return f"Hello {name}"


@waiter.handler
async def wait(ctx: perdure.Context) -> str:
    await ctx.step(done, name="first")
    await ctx.sleep(timedelta(days=1))
    return "waited"


@waiter.handler
async def slow(ctx: perdure.Context) -> str:
    return await ctx.step(slowly)


@greeter.handler
async def fails(ctx: perdure.Context) -> None:
    raise ValueError("no luck")


def done() -> None:
    pass


def slowly() -> str:
    import time
    time.sleep(1.5)
    return "old code"


app = perdure.app(greeter, waiter)
"""


class Dev:
    """`perdure dev` on a file in a directory."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "app.py"
        self.file.write_text(APP)
        self.ports = [free_port() for _ in range(3)]
        callers, operators, service = self.ports
        self.ingress = f"http://127.0.0.1:{callers}"
        command = [sys.executable, "-m", "orchestrator.cli.main", "dev", "app.py"]
        command += ["--ingress", f"127.0.0.1:{callers}", "--admin", f"127.0.0.1:{operators}"]
        command += ["--service-port", str(service)]
        self.process = Process("dev", command, cwd=directory, log_dir=directory)

    @property
    def shown(self) -> str:
        return self.process.log.read_text()

    def start(self) -> None:
        self.process.start()
        self.wait_for("; try\n")

    def wait_for(self, text: str, count: int = 1) -> None:
        def is_there() -> bool:
            assert self.process.alive, self.shown
            return self.shown.count(text) >= count

        wait_until(is_there, 60, f"{text!r} is shown")

    def edit(self, before: str, after: str) -> None:
        """Change the file as an editor would; wait until that is served, or refused."""
        seen = self.shown.count("app.py changed") + self.shown.count("cannot be served")
        self.file.write_text(self.file.read_text().replace(before, after))
        wait_until(
            lambda: (
                self.shown.count("app.py changed") + self.shown.count("cannot be served") > seen
            ),
            60,
            f"{after!r} is noticed in {self.shown}",
        )

    def call(self, handler: str, body: object = None) -> object:
        sent = None if body is None else json.dumps(body).encode()
        headers = {} if body is None else {"content-type": "application/json"}
        answer = http_request(self.ingress, "POST", f"/{handler}", sent, headers)
        return json.loads(answer.body) if answer.body else None


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    made = Dev(tmp_path)
    try:
        yield made
    finally:
        made.process.kill()


def test_the_life_of_an_app(dev: Dev) -> None:
    dev.start()
    lines = [line for line in dev.shown.splitlines() if line.startswith("  curl ")]
    assert [shlex.split(line)[1].rpartition("/")[2] for line in lines] == ["greet", "wait"]
    done = subprocess.run(shlex.split(lines[0]), capture_output=True, text=True, timeout=30)
    assert done.stdout == '"Hello Ann"'
    dev.wait_for("completed")
    # Two that are under way when the code changes: one waits, a step of the other runs.
    dev.call("Waiter/wait/send")
    dev.wait_for("suspended" if "suspended" in dev.shown else "serves")
    dev.call("Waiter/slow/send")
    dev.edit("Hello", "Good day,")
    assert dev.call("Greeter/greet", "Ann") == "Good day, Ann"
    dev.wait_for("Waiter/slow                       completed")
    dev.edit('name="first"', 'name="second"')
    dev.wait_for("Waiter/wait")
    dev.wait_for("does not replay")
    assert re.search(r"app\.py:15\n", dev.shown)
    assert "  - 1 Run 'first'\n  + 1 Run 'second'" in dev.shown
    # A file that does not import: what was served before goes on.
    dev.edit("import perdure\n", "import perdure\nimport nothing_of_this_name\n")
    assert "No module named 'nothing_of_this_name'" in dev.shown
    assert "importlib" not in dev.shown
    assert dev.call("Greeter/greet", "Ann") == "Good day, Ann"
    dev.edit("import nothing_of_this_name\n", "")
    assert dev.call("Greeter/greet", "Ann") == "Good day, Ann"
    # Failures are shown with the line, and who mends them sees it go on.
    dev.call("Greeter/fails/send")
    dev.wait_for("failed, next attempt in")
    assert re.search(r'app\.py", line 27, in fails\n.*no luck', dev.shown), dev.shown
    dev.edit('raise ValueError("no luck")', "pass")
    wait_until(lambda: "Greeter/fails                     completed" in dev.shown, 60, "mended")


def test_an_interrupt_ends_all(dev: Dev) -> None:
    dev.start()
    dev.process.signal(signal.SIGINT)
    wait_until(lambda: not dev.process.alive, 30, "it ends")
    assert dev.process.exit_code == 0
    assert not any(port_open(port) for port in dev.ports)
    # All is there after another start, and nothing is left of the app when this is killed.
    dev.process.start()
    dev.wait_for("; try\n", 2)
    dev.process.kill()
    wait_until(lambda: not any(port_open(port) for port in dev.ports), 30, "the app has ended")


def test_it_ends_when_nobody_reads_it_any_more(dev: Dev) -> None:
    with subprocess.Popen(
        dev.process.command, cwd=dev.file.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        try:
            assert process.stdout.readline().startswith(b"Perdure ")
            process.stdout.close()  # as `| head -1` does
            assert process.wait(30) == 0
            assert b"BrokenPipe" not in process.stderr.read()
        finally:
            process.kill()
    assert not any(port_open(port) for port in dev.ports)


@pytest.mark.parametrize("which", range(3))
def test_a_port_that_is_taken(dev: Dev, which: int) -> None:
    import socket

    with socket.create_server(("127.0.0.1", dev.ports[which])):
        dev.process.start()
        wait_until(lambda: not dev.process.alive, 60, "it ends")
    assert dev.process.exit_code == 1
    flag = ("--ingress", "--admin", "--service-port")[which]
    assert f"Nothing can listen on 127.0.0.1:{dev.ports[which]}" in dev.shown
    assert flag in dev.shown and "Traceback" not in dev.shown


def test_a_file_that_cannot_be_served_at_first(dev: Dev) -> None:
    dev.file.write_text("import perdure\n1 / 0\n")
    dev.process.start()
    dev.wait_for("cannot be served")
    assert 'app.py", line 2' in dev.shown and "ZeroDivisionError" in dev.shown
    dev.file.write_text(APP)
    dev.wait_for("; try\n")
    assert dev.call("Greeter/greet", "Ann") == "Hello Ann"


ENDLESS = "\nimport time\nwhile True:\n    time.sleep(0.1)\n"


def test_an_import_that_does_not_end(dev: Dev) -> None:
    dev.file.write_text(APP + ENDLESS)
    dev.process.start()
    dev.wait_for("is still being imported")
    dev.file.write_text(APP)
    dev.wait_for("; try\n")
    assert dev.call("Greeter/greet", "Ann") == "Hello Ann"
    dev.file.write_text(APP + ENDLESS)
    dev.wait_for("is still being imported", 2)
    assert dev.call("Greeter/greet", "Ann") == "Hello Ann"
    dev.edit(ENDLESS, "\n# Hello\n")
    # Nothing is left of one that is being imported at the end.
    dev.file.write_text(APP + ENDLESS)
    dev.wait_for("is still being imported", 3)
    dev.process.signal(signal.SIGINT)
    wait_until(lambda: not dev.process.alive, 30, "it ends")
    assert dev.process.exit_code == 0
    assert not any(port_open(port) for port in dev.ports)


def test_what_an_app_imports_from_elsewhere_is_watched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "words.py").write_text("HELLO = 'Hello'\n")
    monkeypatch.setenv("PYTHONPATH", str(beside))
    (tmp_path / "app").mkdir()
    dev = Dev(tmp_path / "app")
    text = APP.replace("import perdure\n", "import perdure\nimport words\n", 1)
    dev.file.write_text(text.replace('f"Hello {name}"', 'f"{words.HELLO} {name}"'))
    try:
        dev.start()
        assert dev.call("Greeter/greet", "Ann") == "Hello Ann"
        (beside / "words.py").write_text("HELLO = 'Good day,'\n")
        dev.wait_for("words.py changed")
        assert dev.call("Greeter/greet", "Ann") == "Good day, Ann"
        (beside / "words.py").write_text("HELLO = (\n")
        dev.wait_for("cannot be served")
        (beside / "words.py").write_text("HELLO = 'Bye'\n")
        dev.wait_for("words.py changed", 2)
        assert dev.call("Greeter/greet", "Ann") == "Bye Ann"
        (beside / "words.py").unlink()  # told once
        dev.wait_for("cannot be served", 2)
        dev.edit("import words", "words = None")
        assert dev.shown.count("cannot be served") == 2
    finally:
        dev.process.kill()
