"""The test harness by the names of `restate.harness`: an engine in the test's process, not in a
container. Its arguments about images and their logs mean nothing here."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

from perdure.compat.client import Client, create_client
from perdure.compat.entry_codec import JournalValueCodec
from perdure.transports.application import App


@dataclass
class HarnessEnvironment:
    """Where the engine is, and a client of it."""

    ingress_url: str
    admin_api_url: str
    client: Client


@asynccontextmanager
async def create_test_harness(
    app: App,
    follow_logs: bool = False,
    restate_image: str = "",
    always_replay: bool = False,
    disable_retries: bool = False,
    journal_value_codec: JournalValueCodec | None = None,
) -> AsyncIterator[HarnessEnvironment]:
    """Run an app with an engine of its own. `always_replay` ends each attempt where it waits;
    `disable_retries` kills an invocation whose first attempt fails."""
    settings = {"ingress": "127.0.0.1:0", "admin": "127.0.0.1:0"}
    if always_replay:
        settings["inactivity-timeout"] = "0s"
    if disable_retries:
        settings |= {"retry-max-attempts": "1", "retry-on-max-attempts": "kill"}
    with TemporaryDirectory(prefix="perdure-harness-") as directory:
        async with app.embedded(directory, settings=settings) as engine:
            url = engine.ingress_url
            async with create_client(url, journal_value_codec=journal_value_codec) as client:
                yield HarnessEnvironment(url, engine.admin_url, client)


class RestateTestHarness:
    """The same for tests that are no coroutines, by `with`, or `start` and `stop`: engine and app
    run on an event loop of another thread."""

    def __init__(
        self, app: App, always_replay: bool = False, disable_retries: bool = False
    ) -> None:
        self._app = app
        self._always_replay = always_replay
        self._disable_retries = disable_retries
        self._environment: HarnessEnvironment | None = None
        self._failed: BaseException | None = None
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None

    def start(self) -> None:
        """Start the engine; returns once the app is registered."""
        self._thread = threading.Thread(target=self._run, name="restate-harness", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._failed is not None:
            raise AssertionError("the engine of the harness does not start") from self._failed

    def stop(self) -> None:
        """End it."""
        if self._loop is not None and self._over is not None:
            self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is not None:
            self._thread.join()
            self._thread = self._loop = None

    def ingress_client(self) -> Any:
        """A client of httpx, which has to be installed, with the ingress as its base URL."""
        return import_module("httpx").Client(base_url=self.ingress_url)

    @property
    def ingress_url(self) -> str:
        """Where the ingress is."""
        if self._environment is None:
            raise AssertionError("the harness has not been started: use .start()")
        return self._environment.ingress_url

    def __enter__(self) -> RestateTestHarness:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - who started it is told
            self._failed = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        async with create_test_harness(
            self._app, always_replay=self._always_replay, disable_retries=self._disable_retries
        ) as environment:
            self._environment = environment
            self._ready.set()
            await self._over.wait()


def test_harness(
    app: App,
    follow_logs: bool = False,
    restate_image: str = "",
    always_replay: bool = False,
    disable_retries: bool = False,
) -> RestateTestHarness:
    """The older harness; `create_test_harness` is the newer one."""
    return RestateTestHarness(app, always_replay, disable_retries)
