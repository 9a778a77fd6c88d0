"""1,000 increments over 20 keys while the server dies again and again: the sum is exact.

PERDURE_KILLS raises the number of kills (5).
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import client_of, start_server
from tests.parts.client import Client, at_once, eventually, fresh, in_background
from tests.parts.processes import wait_until
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices

INCREMENTS, KEYS, CALLERS = 1_000, 20, 32
KILLS = int(os.environ.get("PERDURE_KILLS", "5"))


class Load:
    """Callers that repeat each increment with its idempotency key until it is answered."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.keys = [fresh(f"counter{number}") for number in range(KEYS)]
        self.results: dict[str, list[int]] = defaultdict(list)
        self.answered = 0
        self._lock = threading.Lock()

    def increment(self, number: int) -> None:
        """A call that waits for its result; every fourth is a send that is only accepted."""
        key = self.keys[number % KEYS]
        target, once = ("Counter", key, "add"), fresh("increment")
        if number // KEYS % 4 == 0:
            eventually(lambda: self.client.send(target, 1, key=once, timeout_s=15.0), 120.0)
        else:
            result = eventually(
                lambda: self.client.call(target, 1, key=once, timeout_s=15.0), 120.0
            )
            with self._lock:
                self.results[key].append(result["newValue"])
        with self._lock:
            self.answered += 1

    def wait_for(self, count: int) -> None:
        wait_until(lambda: self.answered >= count, 120.0, f"{count} answers")

    def run(self) -> None:
        at_once([partial(self.increment, number) for number in range(INCREMENTS)], CALLERS)


@pytest.mark.timeout(300)
def test_increments_are_exact_under_kills(
    tmp_path: Path, log_options: ServerOptions, typescript: TypeScriptServices
) -> None:
    server = start_server(tmp_path, log_options)
    try:
        load = Load(client_of(server))
        load.client.register(typescript.uri)
        running = in_background(load.run)
        for number in range(1, KILLS + 1):
            due = INCREMENTS * number // (KILLS + 2)
            load.wait_for(due)
            server.kill()
            server.restart()
        running.result(180.0)

        def exact() -> None:
            counts = [load.client.call(("Counter", key, "get"), timeout_s=10) for key in load.keys]
            assert counts == [INCREMENTS // KEYS] * KEYS

        eventually(exact, 60.0)
        # Each value was seen by one caller at most: nothing ran twice and was hidden by a loss.
        for values in load.results.values():
            assert len(set(values)) == len(values)
    finally:
        server.stop()


@pytest.mark.timeout(300)
def test_increments_are_exact_while_the_service_dies(
    tmp_path: Path, log_options: ServerOptions
) -> None:
    services = TypeScriptServices(log_dir=tmp_path).start()
    server = start_server(tmp_path, log_options)
    try:
        load = Load(client_of(server))
        load.client.register(services.uri)
        running = in_background(load.run)
        for number in (1, 2, 3):
            due = INCREMENTS * number // 5
            load.wait_for(due)
            services.kill()
            services.restart()
        running.result(120.0)

        def exact() -> None:
            counts = [load.client.call(("Counter", key, "get"), timeout_s=10) for key in load.keys]
            assert counts == [INCREMENTS // KEYS] * KEYS

        eventually(exact, 60.0)
    finally:
        server.stop()
        services.stop()
