"""Programs that can be killed, and requests to them, with the standard library alone."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 60.0


def free_port() -> int:
    """Not one from which the kernel picks for outgoing connections: one could take it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(28_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline_s = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline_s:
            raise SystemExit(f"not within {WAIT_S:g} s: {what}")
        time.sleep(0.02)


def is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


class Program:
    """`python -m …`, with its output in a file."""

    def __init__(self, words: list[str], port: int, log: Path, env: dict[str, str]) -> None:
        self._command = [sys.executable, "-m", *words]
        self._port = port
        self._log = log
        # Settings of the person who runs the demo are not its own.
        own = {name: value for name, value in os.environ.items() if not name.startswith("PERDURE")}
        self._env = {**own, "PYTHONPATH": f"{ROOT}:{ROOT / 'sdk'}", **env}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it listens on its port."""
        with self._log.open("ab") as log:
            process = self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._env, stdout=log, stderr=log
            )

        def listens() -> bool:
            if process.poll() is not None:
                raise SystemExit(f"{self._command[2]} has ended:\n{self._log.read_text()[-2000:]}")
            return is_open(self._port)

        wait_until(listens, f"{self._command[2]} listens")

    def end(self, number: int = signal.SIGTERM) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(15)

    def kill(self) -> None:
        self.end(signal.SIGKILL)


def ask(url: str, body: Any = None) -> Any:
    """The JSON of an answer; a POST if there is a body."""
    content = None if body is None else json.dumps(body).encode()
    headers = {} if content is None else {"content-type": "application/json"}
    request = urllib.request.Request(url, content, headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        text = answer.read()
        return json.loads(text) if text else None
