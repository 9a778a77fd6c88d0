"""The app in a process of its own: one serves, the next is loaded beside it and takes over.

All of them share the socket that listens, which belongs to this process: see
`perdure.transports.supervised`. A process that cannot load the app ends, and the one before it
goes on.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from typing import Final

from orchestrator.cli.dev.watching import Seen, times_of

LET_GO_S: Final = 0.5  # for the process before to stop taking connections
END_S: Final = 5.0  # for it to end what runs
# What the two say, as in perdure.transports.supervised, which takes long to import here.
_LOADED: Final = b"l"
_PIECE_BYTES: Final = 65_536
_SERVE: Final = b"s"
_MODULE: Final = "perdure.transports.supervised"


class _AppProcess:
    """One process, and this end of the socket to it."""

    def __init__(self, process: asyncio.subprocess.Process, channel: socket.socket) -> None:
        self.process = process
        self.channel = channel

    def let_go(self) -> None:
        """Have it take no more connections, end what runs, and exit."""
        self.channel.close()


class AppService:
    """Serves what an app's file holds now. `load` may be called again and again, by one task."""

    def __init__(self, app: str, listening: socket.socket) -> None:
        self._files: dict[str, int] = {}  # that code of the app was loaded from, as they were then
        self._known_files: set[str] = set()
        self._app = app
        self._listening = listening
        self._serving: _AppProcess | None = None
        self._loading: _AppProcess | None = None
        self._old: set[asyncio.Task[None]] = set()

    async def load(self) -> bool:
        """Load the app and serve it; False if that fails, and its process has said why. It may be
        cancelled: what is being loaded then ends, and the one before it goes on."""
        loading = self._loading = await self._begin()
        try:
            is_loaded = await self._is_loaded(loading)
        except asyncio.CancelledError:
            self._give_up_loading()
            raise
        self._loading = None
        if not is_loaded:
            loading.let_go()
            await loading.process.wait()
            return False
        before, self._serving = self._serving, loading
        if before is not None:
            await self._replace(before)
        with contextlib.suppress(OSError):  # it has died: `ended` says so
            loading.channel.send(_SERVE)
        return True

    def take_files(self) -> Seen:
        """The files that the app was loaded from, each once, as it was then."""
        files, self._files = self._files, {}
        return files

    async def ended(self) -> int:
        """Wait until the process that serves has ended by itself; its exit status."""
        while True:
            serving = self._serving
            if serving is None:
                await asyncio.sleep(LET_GO_S)
                continue
            status = await serving.process.wait()
            if serving is self._serving:
                self._serving = None
                serving.let_go()
                return status

    async def stop(self) -> None:
        """End all of them."""
        self._give_up_loading()
        serving, self._serving = self._serving, None
        if serving is not None:
            self._retire(serving)
        if self._old:
            await asyncio.gather(*self._old)

    def _give_up_loading(self) -> None:
        """An import may never end, and looks at nothing meanwhile."""
        loading, self._loading = self._loading, None
        if loading is not None:
            with contextlib.suppress(ProcessLookupError):
                loading.process.terminate()
            self._retire(loading)

    async def _begin(self) -> _AppProcess:
        ours, theirs = socket.socketpair()
        with theirs:
            numbers = (self._listening.fileno(), theirs.fileno())
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                _MODULE,
                self._app,
                f"--listening={numbers[0]}",
                f"--supervisor={numbers[1]}",
                pass_fds=numbers,
                start_new_session=True,  # an interrupt of the terminal is for this process
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        ours.setblocking(False)
        return _AppProcess(process, ours)

    async def _is_loaded(self, loading: _AppProcess) -> bool:
        loop, said = asyncio.get_running_loop(), b""
        try:
            while not said.endswith(b"\n"):
                piece = await loop.sock_recv(loading.channel, _PIECE_BYTES)
                if not piece:
                    return False
                said += piece
        except OSError:
            return False
        found = times_of(json.loads(said[1:]))
        self._files |= {path: at for path, at in found.items() if path not in self._known_files}
        self._known_files |= found.keys()
        return said[:1] == _LOADED

    async def _replace(self, before: _AppProcess) -> None:
        """Return once it takes no more connections, or is too busy to take any."""
        task = self._retire(before)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.shield(task), LET_GO_S)

    def _retire(self, one: _AppProcess) -> asyncio.Task[None]:
        one.let_go()
        task = asyncio.create_task(_end(one.process))
        self._old.add(task)
        task.add_done_callback(self._old.discard)
        return task


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        await asyncio.wait_for(process.wait(), END_S)
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()
