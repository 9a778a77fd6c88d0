"""Fixtures of the end-to-end tests: servers of their own, a broker and services that are shared."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parts.client import Client, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.needed import needed
from tests.parts.restate_server import RestateServer
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.topics import Topics
from tests.parts.typescript_services import TypeScriptServices

AnyServer = PerdureServer | RestateServer
# The reference shows that a test itself is right, where it does not speak of our own flags.
SERVER_CLASS = RestateServer if os.environ.get("PERDURE_E2E") == "reference" else PerdureServer


@pytest.fixture(scope="session")
def typescript(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TypeScriptServices]:
    log_dir = tmp_path_factory.mktemp("typescript")
    services = needed("the TypeScript SDK", lambda: TypeScriptServices(log_dir=log_dir).start())
    yield services
    services.stop()


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    laboratory = Laboratory(tmp_path_factory.mktemp("laboratory")).start()
    yield laboratory
    laboratory.stop()


@pytest.fixture(scope="module")
def topic_services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Laboratory]:
    """Handlers that topics reach, and that send to topics."""
    services = Laboratory(tmp_path_factory.mktemp("topics"), app="tests.parts.topics_app").start()
    yield services
    services.stop()


@pytest.fixture(scope="module")
def topic_server(
    tmp_path_factory: pytest.TempPathFactory,
    session_broker: KafkaBroker,
    topic_services: Laboratory,
) -> Iterator[PerdureServer]:
    """A server in a cluster of its own, with these services, on the shared broker."""
    bootstrap = session_broker.bootstrap
    options = ServerOptions(log="kafka", kafka_bootstrap=bootstrap, cluster=fresh("topics"))
    server = PerdureServer(tmp_path_factory.mktemp("server"), options).start()
    client_of(server).register(topic_services.uri)
    yield server
    server.stop()


@pytest.fixture(scope="module")
def topics(session_broker: KafkaBroker) -> Topics:
    return Topics(session_broker)


@pytest.fixture(params=["embedded", "kafka"])
def log_options(request: pytest.FixtureRequest) -> ServerOptions:
    """Options of a server on each log, in a cluster of its own."""
    options = ServerOptions(log=request.param, cluster=fresh("e2e"))
    if request.param == "embedded":
        return options
    if SERVER_CLASS is RestateServer:
        pytest.skip("the reference has a log of its own")
    broker: KafkaBroker = request.getfixturevalue("broker")
    return ServerOptions(log="kafka", kafka_bootstrap=broker.bootstrap, cluster=options.cluster)


@pytest.fixture(scope="module")
def shared_server(
    tmp_path_factory: pytest.TempPathFactory,
    typescript: TypeScriptServices,
    laboratory: Laboratory,
) -> Iterator[AnyServer]:
    """One embedded server for tests that leave it whole."""
    server = needed("the server", lambda: SERVER_CLASS(tmp_path_factory.mktemp("server")).start())
    client = client_of(server)
    client.register(typescript.uri)
    client.register(laboratory.uri)
    yield server
    server.stop()


@pytest.fixture
def client(shared_server: AnyServer) -> Client:
    return client_of(shared_server)


def client_of(server: AnyServer) -> Client:
    return Client(server.ingress, server.admin, is_ours=isinstance(server, PerdureServer))


def start_server(directory: Path, options: ServerOptions) -> AnyServer:
    return SERVER_CLASS(directory, options).start()
