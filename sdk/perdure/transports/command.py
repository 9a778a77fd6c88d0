"""`python -m perdure app.py`: serves an app until it is told to stop."""

import argparse
import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from typing import Any, Final

from perdure.errors import Misuse
from perdure.printing import print_at_once
from perdure.transports.application import App
from perdure.transports.loading import NoApp, import_traceback, load_app

PORT: Final = 9080
_BACKLOG: Final = 1024


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    print_at_once()
    try:
        import perdure.transports.server  # noqa: F401
    except ImportError as error:
        return _fail(f"{error.name} is missing: pip install 'perdure[serve]'")
    try:
        _tls(options)
    except OSError as error:
        return _fail(f"no TLS with {options.tls_cert} and {options.tls_key}: {error}")
    try:
        listening = _listen(options.host, options.port)
    except OSError as error:
        return _fail(
            f"cannot listen on {options.host}:{options.port}: {_reason(error)};"
            " choose another port by --port"
        )
    try:
        if options.workers > 1:
            return _serve_by_workers(options, listening)
        app = load_or_say(options.app)
        if app is None:
            return 1
        _say_ready(", ".join(app.endpoint.services), listening, options)
        run_server(app, options, None, lambda server: server.listen(listening), True)
        return 0
    finally:
        listening.close()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m perdure", description=__doc__)
    parser.add_argument("app", help="app.py, app.py:name or package.module:name")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=_port, default=PORT, help=f"port to listen on ({PORT})")
    parser.add_argument("--workers", type=_count, default=1, help="number of processes (1)")
    parser.add_argument("--http1", action="store_true", help="speak HTTP/1.1 alone")
    parser.add_argument("--tls-cert", help="file of the certificate, and the chain behind it")
    parser.add_argument("--tls-key", help="file of its key, where the certificate's has none")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= 256:
        raise argparse.ArgumentTypeError("between 1 and 256")
    return count


def _fail(message: str) -> int:
    print(f"perdure: {message}", file=sys.stderr)
    return 1


def _reason(error: OSError) -> str:
    known = error.errno is not None and error.errno > 0  # what the resolver says is negative
    return os.strerror(error.errno or 0) if known else str(error.strerror or error)


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError("between 0 and 65535")
    return port


def _listen(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError:
        listening.close()
        raise
    return listening


def load_or_say(spec: str) -> App | None:
    """Load an app; None if it cannot be, and why is on stderr."""
    try:
        return load_app(spec)
    except BaseException as error:  # noqa: BLE001 - whatever a user's module raises
        say_why_not(spec, error)
    return None


def say_why_not(spec: str, error: BaseException) -> None:
    """Tell people why an app cannot be loaded; raises the error again if it is no reason."""
    if isinstance(error, NoApp | Misuse):
        _fail(str(error))
    elif isinstance(error, SystemExit):
        _fail(f"{spec} cannot be imported: it exits with {error.code!r}")
    elif isinstance(error, Exception):
        print(import_traceback(error), file=sys.stderr)
        _fail(f"{spec} cannot be imported")
    else:
        raise error


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    from perdure.transports.server import tls_context

    if options.tls_cert is None:
        if options.tls_key is not None:
            raise OSError("--tls-key without --tls-cert")
        return None
    return tls_context(options.tls_cert, options.tls_key, options.http1)


def _say_ready(what: str, listening: socket.socket, options: argparse.Namespace) -> None:
    host, port = listening.getsockname()[:2]
    scheme = "http" if options.tls_cert is None else "https"
    print(f"perdure: serving {what} at {scheme}://{host}:{port}", file=sys.stderr, flush=True)


def run_server(
    app: App,
    options: argparse.Namespace,
    streams_max: int | None,
    begin: Callable[[Any], Coroutine[Any, Any, None]],
    until_signal: bool,
) -> None:
    """Serve on an event loop of its own. `begin` starts it; without `until_signal` its end is the
    end of serving, as a signal is."""
    from perdure.transports.server import STREAMS_MAX, Server

    async def serve() -> None:
        loop = asyncio.get_running_loop()
        stopped = asyncio.Event()
        for one in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(one, stopped.set)
        server = Server(
            app.endpoint,
            app.start,
            http1_only=options.http1,
            streams_max=streams_max or STREAMS_MAX,
            tls=_tls(options),
        )
        begun = loop.create_task(begin(server))
        if until_signal:
            await begun
        else:
            begun.add_done_callback(lambda task: stopped.set())
        await stopped.wait()
        begun.cancel()
        await server.stop()

    with asyncio.Runner(loop_factory=_new_loop) as runner:
        runner.run(serve())


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _serve_by_workers(options: argparse.Namespace, listening: socket.socket) -> int:
    from perdure.transports.workers import STREAMS_MAX, Workers

    def run(begin: Callable[[Any], Coroutine[Any, Any, None]]) -> int:
        app = load_or_say(options.app)  # in each process: it may hold connections and threads
        if app is None:
            return 1
        run_server(app, options, STREAMS_MAX, begin, False)
        return 0

    def ready() -> None:
        _say_ready(f"{options.app} by {options.workers} processes", listening, options)

    return Workers(options.workers, run, ready).serve(listening)
