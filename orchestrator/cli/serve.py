"""`perdure serve`: run a node until it is told to end."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import Coroutine, Sequence
from typing import Any

import uvloop

from orchestrator.cli.exits import EXIT_FAILED, EXIT_USAGE
from orchestrator.cli.last_line import said_of
from orchestrator.config.options import NodeOptions, read_options
from orchestrator.config.settings import ConfigError
from orchestrator.model.operating import OperatingError
from orchestrator.node.data_directory import DataDirectory
from orchestrator.node.node import Node
from orchestrator.runtime.logs import log_to_stderr
from orchestrator.runtime.memory import collect_rarely, give_memory_back

_log = logging.getLogger("perdure.node")

EXIT_OK = 0
_UMASK = 0o077  # what callers sent is for this user alone
END_S = 9.0  # the process ends within ten seconds of a signal


def run_server(argv: Sequence[str]) -> int:
    """The exit code of the process."""
    try:
        options = read_options(argv, os.environ)
    except ConfigError as error:
        print(f"perdure serve: {error}", file=sys.stderr)
        return EXIT_USAGE
    log_to_stderr(options.server.log_level, options.server.log_format)
    give_memory_back()
    os.umask(_UMASK)
    try:
        directory = DataDirectory(options.server.data_dir)
        try:
            return run_on_loop(_serve(options, directory))
        finally:
            directory.release()
    except Exception as error:  # noqa: BLE001 the last line: people get a code, no traceback
        print(f"perdure serve: {said_of(error)}", file=sys.stderr)
        return EXIT_FAILED


def run_on_loop(living: Coroutine[Any, Any, int]) -> int:
    """Run on the event loop that servers use."""
    return uvloop.run(living)


async def _serve(options: NodeOptions, directory: DataDirectory) -> int:
    asked = end_when_asked()
    node = Node(options, directory)
    try:
        await run_until(asked, _live(node, options))
    finally:
        _log.info("ending")
        await node.stop()
    return EXIT_OK


def end_when_asked() -> asyncio.Event:
    """Set by a signal to end; a second one, or END_S later, ends the process at once."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _asked_to_end, asked)
    return asked


def _asked_to_end(asked: asyncio.Event) -> None:
    if asked.is_set():
        os._exit(EXIT_FAILED)  # asked twice: end at once, everything is in the log
    asked.set()
    # A device or a broker that does not answer must not keep us.
    timer = threading.Timer(END_S, _give_up)
    timer.daemon = True
    timer.start()


def _give_up() -> None:
    _log.warning("not everything could be let go in good order: ending all the same")
    os._exit(EXIT_OK)  # everything is in the log


async def run_until(asked: asyncio.Event, living: Coroutine[Any, Any, None]) -> None:
    """Start and run; returns when asked to end, raises what refuses to go on."""
    end = asyncio.ensure_future(asked.wait())
    life = asyncio.ensure_future(living)
    try:
        await asyncio.wait((end, life), return_when=asyncio.FIRST_COMPLETED)
        if life.done():
            life.result()
    finally:
        for task in (end, life):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, OperatingError):
                await task


async def _live(node: Node, options: NodeOptions) -> None:
    collect_rarely()
    await node.start()
    gc.freeze()
    _log.info("Perdure is ready: %s log, %d partitions", options.log.kind, node.partitions)
    _log.info("  callers    http://%s", node.faces.ingress_address)
    _log.info("  operators  http://%s", node.faces.admin_address)
    _log.info("  data       %s", options.server.data_dir.resolve())
    await node.watch()
