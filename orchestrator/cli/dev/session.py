"""One run of `perdure dev`: starts the engine and the app together, then follows the app's files.

After each reload what is under way is replayed against the new code, without executing anything,
so that a journal that no longer fits is known before it is resumed.
"""

import asyncio
import contextlib
import socket
import time
from functools import partial
from typing import Any, Final

from orchestrator.cli.client import Admin
from orchestrator.cli.dev.broker import DevBroker
from orchestrator.cli.dev.in_flight import misfits
from orchestrator.cli.dev.samples import curls_of, kcats_of
from orchestrator.cli.dev.screen import Screen
from orchestrator.cli.dev.service import AppService
from orchestrator.cli.dev.watching import Seen, changed_files, directory_of, look
from orchestrator.cli.exits import CliError
from orchestrator.cli.serve import EXIT_OK, end_when_asked, run_until
from orchestrator.config.options import NodeOptions
from orchestrator.node.data_directory import DataDirectory
from orchestrator.node.node import Node
from orchestrator.runtime.memory import collect_rarely

LOOK_S: Final = 0.15  # between two looks at the files
SETTLED_S: Final = 0.03  # an editor may write a file in several steps
AGAIN_S: Final = 1.0  # before an app whose process has died is started again
SLOW_S: Final = 4.0  # of an import, before it is told
_SHOWN_FILES: Final = 3


class DevSession:
    """Made once for a process; `run` is its life."""

    def __init__(
        self,
        options: NodeOptions,
        directory: DataDirectory,
        app: str,
        listening: socket.socket,
        screen: Screen,
        began_s: float,
        broker: DevBroker | None = None,
    ) -> None:
        self._options = options
        self._directory = directory
        self._app = app
        self._screen = screen
        self._began_s = began_s
        self._broker = broker
        self._uri = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self._service = AppService(app, listening)
        self._node: Node | None = None
        self._others: set[str] = set()  # files of the app that are not below its directory
        self._is_registered = False
        self._checking: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Until an interrupt; raises what keeps the engine from running."""
        asked, loop = end_when_asked(), asyncio.get_running_loop()
        self._screen.when_unread = partial(loop.call_soon_threadsafe, asked.set)
        try:
            await run_until(asked, self._live())
        finally:
            self._screen.say("ending")
            if self._checking is not None:
                self._checking.cancel()
            if self._node is not None:
                await self._node.stop()
            await self._service.stop()
            if self._broker is not None:
                await self._broker.stop()
        return EXIT_OK

    async def _live(self) -> None:
        files = await asyncio.to_thread(look, directory_of(self._app))
        loading = asyncio.create_task(self._service.load())
        if self._broker is not None:
            await self._broker.start(self._screen.say)
        collect_rarely()
        node = self._node = Node(self._options, self._directory)
        await node.start()
        self._say_addresses(node)
        changed = await self._loaded_or_changed(loading, files)
        if changed is not None:
            files = await self._reload(files, changed)
        elif loading.result():
            await self._register()
        else:
            self._say_broken()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(node.watch())
            tasks.create_task(self._follow(files))

    def _say_addresses(self, node: Node) -> None:
        say = self._screen.say
        say(f"Perdure {time.monotonic() - self._began_s:.1f} s after its start", "bold")
        say(f"  callers    http://{node.faces.ingress_address}")
        say(f"  operators  http://{node.faces.admin_address}")
        if self._broker is not None:
            say(f"  broker     {self._options.kafka.bootstrap}")
        say(f"  data       {self._options.server.data_dir.resolve()}")

    def _say_broken(self) -> None:
        self._screen.timed(
            f"{self._app} cannot be served; it is tried again when it is saved", "bad"
        )

    # --- following the files

    async def _follow(self, files: Seen) -> None:
        dying = asyncio.create_task(self._service.ended())
        try:
            while True:
                await asyncio.wait((dying,), timeout=LOOK_S)
                added = self._service.take_files()
                self._others |= added.keys()
                now = await self._look()
                files = {**added, **files}
                if now != files:
                    files = await self._reload(files, await self._settled(now))
                elif dying.done():
                    self._screen.timed(
                        f"the process of {self._app} ended with {dying.result()};"
                        " it is started again",
                        "bad",
                    )
                    await asyncio.sleep(AGAIN_S)
                    dying = asyncio.create_task(self._service.ended())
                    files = await self._reload(files, files)
        finally:
            dying.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await dying

    async def _look(self) -> Seen:
        return await asyncio.to_thread(look, directory_of(self._app), self._others)

    async def _settled(self, now: Seen) -> Seen:
        while True:
            await asyncio.sleep(SETTLED_S)
            later = await self._look()
            if later == now:
                return now
            now = later

    async def _loaded_or_changed(self, loading: asyncio.Task[bool], files: Seen) -> Seen | None:
        """Wait until a task that loads the app has ended. If files change meanwhile it is
        cancelled, and they are returned as they are now."""
        began_s, is_told = time.monotonic(), False
        while True:
            await asyncio.wait((loading,), timeout=LOOK_S)
            if loading.done():
                return None
            now = await self._look()
            if now != files:
                loading.cancel()
                await asyncio.wait((loading,))
                return await self._settled(now)
            if not is_told and time.monotonic() - began_s > SLOW_S:
                is_told = True
                self._screen.timed(
                    f"{self._app} is still being imported; what was served before goes on."
                    " If its import does not end, mend and save it",
                    "bad",
                )

    async def _reload(self, before: Seen, files: Seen) -> Seen:
        """Serve what the files hold now; return them as they were when that was done."""
        while True:
            began_s = time.monotonic()
            loading = asyncio.create_task(self._load_again())
            changed = await self._loaded_or_changed(loading, files)
            if changed is None:
                break
            files = changed
        if loading.result() and files != before:
            self._say_reloaded(changed_files(before, files), began_s)
        return files

    def _say_reloaded(self, paths: list[str], began_s: float) -> None:
        more = f" and {len(paths) - _SHOWN_FILES} more" if len(paths) > _SHOWN_FILES else ""
        names = ", ".join(path.rpartition("/")[2] for path in paths[:_SHOWN_FILES])
        took_ms = (time.monotonic() - began_s) * 1000
        self._screen.timed(f"{names}{more} changed: reloaded in {took_ms:.0f} ms", "good")
        self._check_in_flight()

    async def _load_again(self) -> bool:
        if not await self._service.load():
            self._say_broken()
            return False
        return await self._register()

    # --- registration

    async def _register(self) -> bool:
        assert self._node is not None
        admin = Admin(f"http://{self._node.faces.admin_address}")
        asked = {"uri": self._uri, "force": True}
        try:
            found = await asyncio.to_thread(admin.ask, "POST", "/deployments", asked)
        except CliError as error:
            self._screen.timed(f"the app cannot be registered: {error}", "bad")
            return False
        if not self._is_registered:
            self._is_registered = True
            self._say_services(found["services"])
        return True

    def _say_services(self, services: list[dict[str, Any]]) -> None:
        assert self._node is not None
        say = self._screen.say
        for one in services:
            handlers = ", ".join(handler["name"] for handler in one["handlers"])
            say(f"  serves     {one['name']}: {handlers}")
        say(f"ready in {time.monotonic() - self._began_s:.1f} s; try", "bold")
        for line in curls_of(f"http://{self._node.faces.ingress_address}", services):
            say(f"  {line}")
        if self._broker is not None:
            bootstrap = self._options.kafka.bootstrap or ""
            topic = f"{self._options.server.cluster}.ingress"
            for line in kcats_of(bootstrap, topic, services):
                say(f"  {line}")

    # --- what is under way

    def _check_in_flight(self) -> None:
        if self._checking is not None:
            self._checking.cancel()
        self._checking = asyncio.create_task(self._say_misfits())

    async def _say_misfits(self) -> None:
        assert self._node is not None
        for text in await misfits(self._node.engine, self._app):
            self._screen.timed(text, "bad")
