"""One running combination: broker, server, contract services, laboratory, and a client of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tests.conformance.combinations import PERDURE, Combination
from tests.parts import compat_services
from tests.parts.cache import REPOSITORY
from tests.parts.client import Client, eventually, fresh
from tests.parts.kafka import KafkaBroker
from tests.parts.laboratory import Laboratory
from tests.parts.perdure_services import PerdureServices
from tests.parts.python_services import PythonServices
from tests.parts.restate_server import RestateServer
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions
from tests.parts.typescript_services import TypeScriptServices

# A PKCS#8 key for tests only, and the public key that services are given to check against.
SIGNING_PEM = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPe++4ZTPQDF81otpoU/mOGHC2vOAVp9WbiCblvn3nXO
-----END PRIVATE KEY-----
"""
SIGNING_KEY = "publickeyv1_AfQwmwfgEZhrWpvv8N52SHpRtZqGGaFr4AZN6qtYWSiY"
OTHER_SIGNING_KEY = "publickeyv1_3vxoeNVmT4F9Ps8XrjZ5xrPYqpfdqCMH8whgLsHNAsUt"

Services = PythonServices | TypeScriptServices | PerdureServices


def start_services(
    kind: str, log_dir: Path, signed: bool, newest: int | None = None, services: str | None = None
) -> Services:
    """`newest` is the version of the protocol at which our own SDK's services are held."""
    key = SIGNING_KEY if signed else None
    if kind == "typescript":
        return TypeScriptServices(services, key, log_dir=log_dir).start()
    if kind in PERDURE:
        app, env = _held("tests.sdk.conformance.app:app", newest)
        return PerdureServices(PERDURE[kind], log_dir, services, key, app, env).start()
    if kind == "compat":
        app, place = "testservices:app", compat_services.sources()
        return PerdureServices("own", log_dir, services, key, app, cwd=place).start()
    server = "uvicorn" if kind == "uvicorn" else "hypercorn"
    return PythonServices(server, services, key, log_dir=log_dir).start()


def _held(app: str, newest: int | None) -> tuple[str, dict[str, str]]:
    """An app of ours, and the environment in which it is held at a version."""
    if newest is None:
        return app, {}
    return "tests.parts.held_app:app", {"HELD_APP": app, "NEWEST_PROTOCOL": str(newest)}


def start_laboratory(
    sdk: str, directory: Path, signed: bool, newest: int | None = None
) -> Laboratory:
    """The laboratory on the Restate SDK, on ours, or on ours by the names of Restate's."""
    key = SIGNING_KEY if signed else None
    if sdk in PERDURE:
        way = "hypercorn" if PERDURE[sdk] == "hypercorn" else "own"
        app, env = _held("tests.sdk.conformance.laboratory_app:app", newest)
        app = app.removesuffix(":app")
        return Laboratory(directory, signing_key=key, app=app, way=way, env=env).start()
    if sdk == "compat":
        app = str(directory / "laboratory_app.py")
        text = (REPOSITORY / "tests/parts/laboratory_app.py").read_text()
        Path(app).write_text(compat_services.with_our_imports(text))
        return Laboratory(directory, signing_key=key, app=app, way="own").start()
    return Laboratory(directory, signing_key=key).start()


@dataclass
class World:
    combination: Combination
    directory: Path
    server: PerdureServer | RestateServer
    services: Services
    laboratory: Laboratory
    broker: KafkaBroker | None
    client: Client
    _second: Laboratory | None = None

    @property
    def reference(self) -> bool:
        """Whether this is the real Restate server, which deviates in a few documented places."""
        return self.combination.server == "restate"

    def heal(self) -> None:
        """Start again whatever a test killed."""
        parts: list[Any] = [self.broker, self.server, self.services, self.laboratory]
        for part in parts:
            if part is not None and not part.process.alive:
                part.start()

    def second_laboratory(self) -> Laboratory:
        """Version v2 of some services in a process of its own, the same for all tests."""
        if self._second is None:
            key = SIGNING_KEY if self.combination.signed else None
            self._second = self.laboratory.another("v2", "Pausing,Versioned", key).start()
        return self._second

    def stop(self) -> None:
        """Its own processes; others of its parts are shared."""
        self.server.stop()
        if self._second is not None:
            self._second.stop()

    def other_server(self, change: Callable[[ServerOptions], ServerOptions]) -> OtherServer:
        """A server of the same combination with other options, for one test."""
        name = fresh("other")
        options = replace(change(self.server.options), cluster=name)
        server = type(self.server)(self.directory / name, options).start()
        client = Client(server.ingress, server.admin, self.combination.explicit_routes)
        client.register(self.services.uri, self.services.use_http_11)
        return OtherServer(server, client)


@dataclass
class OtherServer:
    server: PerdureServer | RestateServer
    client: Client

    def __enter__(self) -> Client:
        return self.client

    def __exit__(self, *_: object) -> None:
        self.server.stop()


def options_of(combination: Combination, directory: Path, bootstrap: str | None) -> ServerOptions:
    key_file = directory / "identity.pem"
    key_file.write_text(SIGNING_PEM)
    return ServerOptions(
        log=combination.log,
        kafka_bootstrap=bootstrap,
        cluster=fresh("conformance"),
        inactivity_timeout="0s" if combination.mode == "suspending" else None,
        disable_eager_state=combination.mode == "lazy",
        cleanup_interval="1s",
        retry_initial_interval="20ms",
        retry_max_interval="1s",  # a coin that falls on its face ten times must cost no minute
        protocol_max=combination.protocol,
        identity_key_file=key_file if combination.signed else None,
    )


def start_world(
    combination: Combination,
    directory: Path,
    broker: KafkaBroker | None,
    services: Services,
    laboratory: Laboratory,
) -> World:
    bootstrap = broker.bootstrap if broker else None
    options = options_of(combination, directory, bootstrap)
    if isinstance(services, PerdureServices):
        options = replace(options, env=services.server_env)
    server: PerdureServer | RestateServer
    if combination.server == "restate":
        server = RestateServer(directory, options)
    else:
        server = PerdureServer(directory, options)
    server.start()
    client = Client(server.ingress, server.admin, combination.explicit_routes)
    client.register(services.uri, services.use_http_11)
    client.register(laboratory.uri)
    # A Restate server says that it is healthy before its partitions are: the first answer counts.
    eventually(lambda: client.call(("TestUtilsService", "echo"), "ready", timeout_s=5.0))
    return World(combination, directory, server, services, laboratory, broker, client)
