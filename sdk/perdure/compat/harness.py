"""The test harness by the names of `restate.harness`: an engine in the test's process, not in a
container. Its arguments about images and their logs mean nothing here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

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
