"""A process that serves for a supervisor ends quietly when that has ended."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

APP = """\
import perdure

greeter = perdure.Service("Greeter")


@greeter.handler
async def greet(ctx: perdure.Context) -> None:
    pass


app = perdure.app(greeter)
"""


@pytest.mark.parametrize("said", [None, b"", b"x"])
def test_a_supervisor_that_has_ended(tmp_path: Path, said: bytes | None) -> None:
    """`said` None: it ended before the app was loaded. What Python loads for a machine at its start
    is no file of the app."""
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "machine").mkdir()
    (tmp_path / "machine/sitecustomize.py").write_text("")
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "machine")}
    ours, theirs = socket.socketpair()
    with socket.create_server(("127.0.0.1", 0)) as listening, ours, theirs:
        if said is None:
            ours.close()
        numbers = (listening.fileno(), theirs.fileno())
        command = [sys.executable, "-m", "perdure.transports.supervised", str(tmp_path / "app.py")]
        command += [f"--listening={numbers[0]}", f"--supervisor={numbers[1]}"]
        child = subprocess.Popen(command, env=env, pass_fds=numbers, stderr=subprocess.PIPE)
        theirs.close()
        if said is not None:
            with ours.makefile("rb") as told:
                line = told.readline()
            assert line[:1] == b"l"
            assert json.loads(line[1:]) == [str(tmp_path / "app.py")]
            ours.send(said)
            ours.close()
        _, errors = child.communicate(timeout=60)
    assert (child.returncode, errors) == (0, b"")
