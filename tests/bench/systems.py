"""The servers under test: started, told of an endpoint, killed, measured."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.bench import proc
from tests.bench.endpoints import Endpoint
from tests.parts.kafka import KafkaBroker
from tests.parts.restate_server import RestateServer
from tests.parts.server import PerdureServer
from tests.parts.server_options import ServerOptions

Server = PerdureServer | RestateServer

EMBEDDED, KAFKA, RESTATE, RESTATE_4 = "embedded", "kafka", "restate-24", "restate-4"
NAMES = (EMBEDDED, KAFKA, RESTATE, RESTATE_4)
TITLES = {
    EMBEDDED: "Perdure, embedded log",
    KAFKA: "Perdure, Kafka log",
    RESTATE: "Restate, 24 partitions (its default)",
    RESTATE_4: "Restate, 4 partitions",
}


class System:
    """One server on fresh data, with its broker if it has one."""

    def __init__(self, name: str, directory: Path) -> None:
        self.name = name
        self._directory = directory
        (directory / "server").mkdir(parents=True)
        self._broker: KafkaBroker | None = None
        if name == KAFKA:
            self._broker = KafkaBroker(directory / "broker", quick_start=False)
        self.server = self._build()
        self._started = False

    @property
    def port(self) -> int:
        port = urlsplit(self.server.ingress).port
        assert port is not None
        return port

    def start(self) -> System:
        if self._broker is not None:
            self._broker.start()
        self._started = True
        self.server.start(timeout_s=120.0)
        return self

    def _build(self) -> Server:
        directory = self._directory / "server"
        if self.name == RESTATE:
            return RestateServer(directory, ServerOptions(partitions=24))
        if self.name == RESTATE_4:
            return RestateServer(directory, ServerOptions(partitions=4))
        if self._broker is None:
            return PerdureServer(directory)
        options = ServerOptions(log="kafka", kafka_bootstrap=self._broker.bootstrap)
        return PerdureServer(directory, options)

    def stop(self) -> None:
        if self._started:
            self.server.stop()
        if self._broker is not None and self._broker.process.alive:
            self._broker.stop()

    def register(self, endpoint: Endpoint) -> None:
        """Make `endpoint` the newest deployment of its services; then a call has been answered."""
        wanted = {"uri": endpoint.uri, "use_http_11": endpoint.use_http_11}
        admin = urlsplit(self.server.admin)
        connection = http.client.HTTPConnection(admin.netloc, timeout=60)
        connection.request(
            "POST", "/deployments", json.dumps(wanted), {"content-type": "application/json"}
        )
        response = connection.getresponse()
        reason = response.read().decode(errors="replace")
        connection.close()
        if response.status not in (200, 201):
            raise RuntimeError(f"{self.name} refused {endpoint.name}: {response.status} {reason}")
        self.first_answer_s()

    def kill_and_restart(self) -> float:
        """`kill -9` and start again; seconds from the new start to the first answered call."""
        self.server.kill()
        # The process alone: waiting for its health first would add the poll's pauses.
        self.server.process.start()
        return self.first_answer_s()

    def first_answer_s(self, timeout_s: float = 120.0) -> float:
        """Seconds until a greet is answered, asked again and again."""
        began = time.monotonic()
        while not self._greeted():
            if time.monotonic() - began > timeout_s:
                raise RuntimeError(f"{self.name} answers no call:\n{self.server.log_tail()}")
            time.sleep(0.005)
        return time.monotonic() - began

    def _greeted(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            headers = {"content-type": "application/json"}
            connection.request("POST", "/Greeter/greet", '"Ada"', headers)
            response = connection.getresponse()
            response.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return response.status == 200

    def cpu_s(self) -> dict[str, float]:
        used = {"server": proc.cpu_s(self.server.pid)}
        if self._broker is not None:
            used["broker"] = proc.cpu_s(self._broker.pid)
        return used

    def resident_mb(self) -> float:
        return proc.resident_mb(self.server.pid)

    def broker_resident_mb(self) -> dict[str, float]:
        """By name of the figure; empty without a broker."""
        if self._broker is None:
            return {}
        return {"idle_broker_resident_mb": proc.resident_mb(self._broker.pid)}

    def disk_mb(self) -> float:
        places = [self._directory / "server" / "data"]
        if self._broker is not None:
            places.append(self._broker.directory / "data")
        return proc.disk_mb(*places)
