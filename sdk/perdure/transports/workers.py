"""Several processes behind one port. The parent accepts, and gives connections out in turn:
an engine keeps few connections, which would pile up in one process otherwise."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import traceback
import types
from collections.abc import Callable, Coroutine
from typing import Any, Final

from perdure.transports.server import Server

STREAMS_MAX: Final = 32  # of a connection: few, so that an engine opens one for each process
_QUICK_DEATH_S: Final = 1.0
_CONNECTION: Final = b"c"
_READY: Final = b"r"


class Workers:
    """Processes that serve what a parent accepts. A worker that dies is started anew."""

    def __init__(
        self,
        count: int,
        run: Callable[[Callable[[Server], Coroutine[Any, Any, None]]], int],
        ready: Callable[[], None],
    ) -> None:
        """`run` is called in each process, with what takes connections; `ready` is called in the
        parent, once the first process serves."""
        self._count = count
        self._run = run
        self._ready = ready
        self._workers: dict[int, tuple[socket.socket, float]] = {}  # by process id
        self._turn = 0
        self._stopping = False
        self._child_ended = False

    def serve(self, listening: socket.socket) -> int:
        """Serve until a signal; return the exit status."""
        for one in (signal.SIGTERM, signal.SIGINT):
            signal.signal(one, self._on_signal)
        signal.signal(signal.SIGCHLD, self._on_child)
        first = self._start(listening)
        if first.recv(1) != _READY:  # it has said why
            self._stopping = True
            return self._end()
        self._ready()
        for _ in range(self._count - 1):
            self._start(listening)
        listening.settimeout(0.5)
        while not self._stopping:
            if self._child_ended:
                self._replace_dead(listening)
            connection = self._accept(listening)
            if connection is not None:
                self._give(connection)
        listening.close()
        return self._end()

    def _accept(self, listening: socket.socket) -> socket.socket | None:
        try:
            return listening.accept()[0]
        except TimeoutError:
            return None
        except OSError:
            time.sleep(0.1)  # out of descriptors
            return None

    def _on_signal(self, number: int, frame: types.FrameType | None) -> None:
        self._stopping = True

    def _on_child(self, number: int, frame: types.FrameType | None) -> None:
        self._child_ended = True

    def _start(self, listening: socket.socket) -> socket.socket:
        ours, theirs = socket.socketpair()
        process_id = os.fork()
        if process_id:
            theirs.close()
            self._workers[process_id] = (ours, time.monotonic())
            return ours
        status = 1
        try:
            listening.close()
            ours.close()
            for other, _ in self._workers.values():
                other.close()
            for one in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(one, signal.SIG_DFL)
            status = self._run(lambda server: _take(server, theirs))
        except BaseException:  # noqa: BLE001 - it is said, and this process ends
            traceback.print_exc()
        with contextlib.suppress(OSError, ValueError):  # whoever reads it may have gone
            sys.stdout.flush()
        os._exit(status)  # nothing of the parent's is left to run here

    def _give(self, connection: socket.socket) -> None:
        with connection:
            for _ in range(len(self._workers)):
                self._turn = (self._turn + 1) % len(self._workers)
                channel, _ = list(self._workers.values())[self._turn]
                try:
                    socket.send_fds(channel, [_CONNECTION], [connection.fileno()])
                except OSError:
                    continue  # it has died, and is replaced soon
                return

    def _replace_dead(self, listening: socket.socket) -> None:
        self._child_ended = False
        for process_id, (channel, began_s) in list(self._workers.items()):
            if os.waitpid(process_id, os.WNOHANG)[0]:
                channel.close()
                del self._workers[process_id]
                if time.monotonic() - began_s < _QUICK_DEATH_S:
                    time.sleep(_QUICK_DEATH_S)
                self._start(listening)

    def _end(self) -> int:
        for channel, _ in self._workers.values():
            channel.close()  # a worker whose channel ends stops
        failed = 0
        for process_id in self._workers:
            failed |= os.waitstatus_to_exitcode(os.waitpid(process_id, 0)[1])
        return 1 if failed else 0


async def _take(server: Server, channel: socket.socket) -> None:
    """Serve the connections that the parent gives, until it ends."""
    loop = asyncio.get_running_loop()
    channel.setblocking(False)
    ended: asyncio.Future[None] = loop.create_future()

    def readable() -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(channel, 64, 64)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data, descriptors = b"", []
        for descriptor in descriptors:
            connection = socket.socket(fileno=descriptor)
            connection.setblocking(False)
            task = loop.create_task(server.adopt(connection))
            adopting.add(task)
            task.add_done_callback(adopting.discard)
        if not data and not ended.done():
            ended.set_result(None)

    adopting: set[asyncio.Task[None]] = set()
    loop.add_reader(channel, readable)
    channel.send(_READY)
    await ended
    loop.remove_reader(channel)
