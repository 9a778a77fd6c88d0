"""SIGTERM in the middle of work of every kind: nothing that a log calls an error, nothing lost."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.bench.flows import FLOWS, Flow
from tests.bench.load import Load, Plan
from tests.e2e.conftest import client_of
from tests.parts.client import Client, eventually, fresh, http_request, in_background
from tests.parts.perdure_services import PerdureServices
from tests.parts.processes import wait_until
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

LOAD_S = 30.0  # at most; it ends with its server
SETTLE_S = 0.7
WAITING = 20
JSON = {"content-type": "application/json"}
KINDS = {
    "calls": {"greet": 64, "counter": 16},
    "journals": {"10-steps": 16, "fan-out": 8},
    "workflows": {"workflow": 16, "counter-one-key": 16},
}


@pytest.fixture
def server(tmp_path: Path, log_options: ServerOptions) -> Iterator[PerdureServer]:
    server = PerdureServer(tmp_path, log_options).start()
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["http2", "hypercorn"])
def services(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[PerdureServices]:
    """Handlers that suspend at once when a stream is half-closed, and such that take a while."""
    app = "bench_perdure" if request.param == "http2" else "bench"
    directory = tmp_path_factory.mktemp("services")
    app = f"tests.bench.services.{app}:app"
    services = PerdureServices(request.param, directory, app=app).start()
    yield services
    services.stop()


def _plan(port: int, flow: Flow, connections: int) -> Plan:
    return {
        "port": port,
        "connections": connections,
        "requests": list(flow.requests),
        "first": flow.first(),
        "modulo": flow.modulo,
        "warmup_s": 0.0,
        "seconds": LOAD_S,
        "total": 0,
    }


def _begin(port: int, name: str, connections: int) -> Load:
    """A load in a thread of its own, until nobody listens any more."""
    load = Load(_plan(port, FLOWS[name], connections))

    def run() -> None:
        with contextlib.suppress(OSError):
            load.begin()
            load.run(time.perf_counter() + LOAD_S)
        load.close()

    threading.Thread(target=run, daemon=True).start()
    return load


def _look(server: PerdureServer) -> None:
    """What people look at meanwhile."""
    query = b'{"query": "SELECT * FROM sys_invocation"}'
    with contextlib.suppress(OSError):
        while True:
            http_request(server.admin, "POST", "/query", query, JSON)
            http_request(server.admin, "GET", "/metrics")
            time.sleep(0.05)


def _wait_for_workflow(client: Client, key: str) -> int:
    return client.post(("SignUp", key, "run"), "ada@example.org", timeout_s=30).status


@pytest.mark.timeout(180)
@pytest.mark.parametrize("kind", KINDS)
def test_it_ends_without_an_error_and_loses_nothing(
    server: PerdureServer, services: PerdureServices, kind: str
) -> None:
    client = client_of(server)
    client.register(services.uri)
    key = fresh()
    waiting = [
        in_background(partial(_wait_for_workflow, client, f"{key}-{number}"))
        for number in range(WAITING)
    ]
    loads = [_begin(server.port, name, count) for name, count in KINDS[kind].items()]
    in_background(lambda: _look(server))
    wait_until(lambda: all(load.latencies_s for load in loads), LOAD_S, "each load is served")
    time.sleep(SETTLE_S)
    began_s = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began_s < 10.0
    assert {one.result(10) for one in waiting} <= {503}
    server.restart()
    for number in range(WAITING):
        run = ("SignUp", f"{key}-{number}")
        client.post((*run, "click"), "secret", timeout_s=30).expect(200)
        eventually(lambda run=run: _is_done(client, run), 30.0)  # type: ignore[misc]
    assert not server.errors(), server.log_tail(9_000)


def _is_done(client: Client, run: tuple[str, str]) -> None:
    path = "/restate/workflow/" + "/".join(run) + "/attach"
    reply = http_request(client.ingress, "GET", path)
    assert (reply.status, reply.body) == (200, b'"secret"'), reply
