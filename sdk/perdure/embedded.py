"""An app with an engine of its own in the same process: a library for those who want no server.

app.run_embedded(".perdure")                      # until Ctrl-C or SIGTERM

async with app.embedded(".perdure") as engine:    # in a program that has an event loop
    await engine.client.call(greet, "ann")
"""

from __future__ import annotations

import asyncio
import gc
import signal
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from perdure.client.aio import AsyncClient
from perdure.client.in_process import InProcessHttp
from perdure.errors import Misuse
from perdure.in_process import InProcessApp, needing_server
from perdure.printing import print_at_once

if TYPE_CHECKING:
    from orchestrator.embedding import EmbeddedEngine

_NEEDED = ("an embedded engine needs the server", "embedded")


class Embedded:
    """An engine that keeps its data in `data_dir`, and serves one app."""

    client: AsyncClient
    """Calls handlers without sockets."""

    def __init__(
        self,
        app: InProcessApp,
        data_dir: str | PathLike[str],
        *,
        ingress: bool = True,
        admin: bool = True,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """`ingress`, `admin`: whether they are served over HTTP, too. `settings`: as the flags of
        `perdure serve`, such as `{"ingress": "127.0.0.1:8080"}`."""
        self._app = app
        self._data_dir = Path(data_dir)
        self._ingress, self._admin = ingress, admin
        self._settings = dict(settings or {})
        self._engine: EmbeddedEngine | None = None

    async def __aenter__(self) -> Embedded:
        with needing_server(*_NEEDED):
            from orchestrator.embedding import EmbeddedEngine
        engine = self._engine = await EmbeddedEngine.start(
            data_dir=self._data_dir,
            apps=[self._app],
            ingress=self._ingress,
            admin=self._admin,
            settings=self._settings,
        )
        self.client = AsyncClient.over(InProcessHttp(engine))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.close()

    @property
    def ingress_url(self) -> str:
        """Where callers reach it over HTTP."""
        return self._running.ingress_url

    @property
    def admin_url(self) -> str:
        """Where operators, and the command line, reach it."""
        return self._running.admin_url

    async def watch(self) -> None:
        """Never returns; raises if its log no longer lets it run (its directory is gone)."""
        await self._running.watch()

    @property
    def _running(self) -> EmbeddedEngine:
        if self._engine is None:
            raise Misuse("an embedded engine is used inside `async with app.embedded(...)`")
        return self._engine


def run_until_asked(embedded: Embedded, ready: Callable[[Embedded], Any] | None = None) -> None:
    """Run until SIGINT or SIGTERM, in a process that does nothing else; `ready` is called once it
    serves."""
    with needing_server(*_NEEDED):
        from orchestrator.embedding import tune_process
    tune_process()
    print_at_once()
    try:
        import uvloop
    except ImportError:
        asyncio.run(_run(embedded, ready))
    else:
        uvloop.run(_run(embedded, ready))


async def _run(embedded: Embedded, ready: Callable[[Embedded], Any] | None) -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    async with embedded:
        gc.freeze()  # what the start made stays
        if ready is not None:
            ready(embedded)
        ended = asyncio.create_task(asked.wait())
        watching = asyncio.create_task(embedded.watch())
        await asyncio.wait((ended, watching), return_when=asyncio.FIRST_COMPLETED)
        ended.cancel()
        if watching.done():
            watching.result()
        watching.cancel()
