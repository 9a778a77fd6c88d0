"""Child processes of the tests: free ports, captured logs, readiness, and death by process id."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import http.client
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO

# Below the range from which the kernel picks ports for outgoing connections, so that no stranger
# takes a port while its owner is being restarted; and below where `perdure dev` looks for one.
_PORTS = range(14_000, 28_000)
# A byte per port, locked by the process that was given the port, for as long as it lives: the
# suites run in several processes, and a port is free to look at until its server has started.
_GIVEN = Path(tempfile.gettempdir()) / f"perdure-ports-{os.getuid()}"
_given_ports: set[int] = set()


@functools.cache
def _given() -> BinaryIO:
    return _GIVEN.open("ab")  # never closed: that would give up every lock of this process


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on and that no other call was given, here or in
    another process that lives."""
    for _ in range(1_000):
        port = random.SystemRandom().choice(_PORTS)
        if port in _given_ports:
            continue
        with socket.socket() as probe, contextlib.suppress(OSError):
            fcntl.lockf(_given(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            _given_ports.add(port)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


def wait_until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    """Poll `condition` until it holds; an AssertionError that says `what` after the timeout."""
    deadline = time.monotonic() + timeout_s
    pause_s = 0.005
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s} s: {what}")
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.1)


def port_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1.0):
        return True
    return False


def http_status(port: int, path: str, timeout_s: float = 2.0) -> int:
    """The status of a GET, 0 while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def _inherited() -> dict[str, str]:
    """Without the tests' own switches, which the server would refuse as settings unknown to it."""
    return {key: value for key, value in os.environ.items() if not key.startswith("PERDURE_")}


class Process:
    """A command that can be started, killed and started again; its output goes to a file."""

    def __init__(
        self,
        name: str,
        command: list[str],
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        log_dir: Path | None = None,
    ) -> None:
        self.name = name
        self.command = command
        self.env = dict(env or {})
        self.cwd = cwd
        directory = log_dir or Path(tempfile.mkdtemp(prefix=f"perdure-{name}-"))
        self.log = directory / f"{name}.log"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._child is not None, f"{self.name} was never started"
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        return None if self._child is None else self._child.poll()

    def start(self) -> None:
        assert not self.alive, f"{self.name} is running already"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                self.command,
                env=_inherited() | self.env,
                cwd=self.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        _started.add(self)
        _end_with_a_signal()

    def kill(self) -> None:
        """SIGKILL to the process itself; what it left behind (its group) dies with it."""
        self._signal_group(signal.SIGKILL)

    def signal(self, number: int) -> None:
        """Any other signal, to the process alone."""
        if self.alive:
            os.kill(self.pid, number)

    def stop(self, timeout_s: float = 15.0) -> int:
        """SIGTERM, then the exit code; SIGKILL to whatever is left after the timeout."""
        assert self._child is not None
        if self.alive:
            self._child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout_s)
        self._signal_group(signal.SIGKILL)
        return self._child.wait()

    def _signal_group(self, number: int) -> None:
        if self._child is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)
        self._child.wait()
        _started.discard(self)

    def wait_exit(self, timeout_s: float) -> int:
        assert self._child is not None
        return self._child.wait(timeout_s)

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Wait for `ready`; a death before it, or the timeout, shows the end of the log."""

        def settled() -> bool:
            return not self.alive or ready()

        try:
            wait_until(settled, timeout_s, f"{self.name} is ready")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.log_tail()}") from None
        if not self.alive:
            raise AssertionError(f"{self.name} died ({self.exit_code}):\n{self.log_tail()}")

    def log_tail(self, size_bytes: int = 4_000) -> str:
        if not self.log.exists():
            return ""
        return self.log.read_bytes()[-size_bytes:].decode(errors="replace")


_started: set[Process] = set()


def _end_with_a_signal() -> None:
    """A run that SIGTERM ends takes the way of every end: what it has started goes with it."""
    is_main = threading.current_thread() is threading.main_thread()
    if is_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


@atexit.register
def _kill_leftovers() -> None:
    for process in list(_started):
        process.kill()
