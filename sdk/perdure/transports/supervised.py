"""Serves an app for a supervisor, such as `perdure dev`, that starts it anew when a file changes.

The supervisor holds the socket that listens, so that no connection is refused between one process
and the next. Over a second socket this process says whether the app is loaded, and of which files,
is told to take connections, and stops when the supervisor closes its end or dies.
"""

import argparse
import asyncio
import json
import signal
import socket
import sys
from typing import Final

from perdure.transports.command import run_server, say_why_not
from perdure.transports.loading import load_app
from perdure.transports.server import Server
from perdure.transports.source_files import source_files

LOADED: Final = b"l"
FAILED: Final = b"f"
SERVE: Final = b"s"


def main() -> int:
    """Run until the supervisor is done with it; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m perdure.transports.supervised")
    parser.add_argument("app")
    parser.add_argument("--listening", type=int, required=True, help="descriptor")
    parser.add_argument("--supervisor", type=int, required=True, help="descriptor")
    given = parser.parse_args()
    listening = socket.socket(fileno=given.listening)
    supervisor = socket.socket(fileno=given.supervisor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is the supervisor's to handle
    try:
        app = load_app(given.app)
    except BaseException as error:  # noqa: BLE001 - whatever a user's module raises
        say_why_not(given.app, error)
        _tell(supervisor, FAILED, source_files(error))
        return 1
    if _tell(supervisor, LOADED, source_files()) and _is_wanted(supervisor):
        options = argparse.Namespace(http1=False, tls_cert=None, tls_key=None)
        run_server(app, options, None, lambda server: _serve(server, listening, supervisor), False)
    return 0


def _tell(supervisor: socket.socket, said: bytes, files: list[str]) -> bool:
    """Say what became of the app: a byte, then its files as JSON in a line; False if the
    supervisor ended."""
    try:
        supervisor.sendall(said + json.dumps(files).encode() + b"\n")
        return True
    except OSError:
        return False


def _is_wanted(supervisor: socket.socket) -> bool:
    """Wait until the app is to be served; False if the supervisor ended."""
    try:
        return supervisor.recv(1) == SERVE
    except OSError:
        return False


async def _serve(server: Server, listening: socket.socket, supervisor: socket.socket) -> None:
    await server.listen(listening)
    supervisor.setblocking(False)
    await asyncio.get_running_loop().sock_recv(supervisor, 1)


if __name__ == "__main__":
    sys.exit(main())
