"""Serves an app for a supervisor, such as `perdure dev`, that starts it anew when a file changes.

The supervisor holds the socket that listens, so that no connection is refused between one process
and the next. Over a second socket this process says that the app is loaded, is told to take
connections, and stops when the supervisor closes its end or dies.
"""

import argparse
import asyncio
import signal
import socket
import sys
from typing import Final

from perdure.transports.command import load_or_say, run_server
from perdure.transports.server import Server

LOADED: Final = b"l"
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
    app = load_or_say(given.app)
    if app is None:
        return 1
    if _is_wanted(supervisor):
        options = argparse.Namespace(http1=False, tls_cert=None, tls_key=None)
        run_server(app, options, None, lambda server: _serve(server, listening, supervisor), False)
    return 0


def _is_wanted(supervisor: socket.socket) -> bool:
    """Say that the app is loaded, and wait until it is to serve; False if the supervisor ended."""
    try:
        supervisor.send(LOADED)
        return supervisor.recv(1) == SERVE
    except OSError:
        return False


async def _serve(server: Server, listening: socket.socket, supervisor: socket.socket) -> None:
    await server.listen(listening)
    supervisor.setblocking(False)
    await asyncio.get_running_loop().sock_recv(supervisor, 1)


if __name__ == "__main__":
    sys.exit(main())
