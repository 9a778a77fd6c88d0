"""The servers under test: started, told of an endpoint, killed, measured."""

from __future__ import annotations

import http.client
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
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
_BROKER_CLUSTER = "bench"
_JSON = {"content-type": "application/json", "accept": "application/json"}


class System:
    """One server on fresh data, with its broker if it has one.

    With `topics`, a running broker, the server serves topics of it, and keeps its log there if it
    has one on Kafka.
    """

    def __init__(self, name: str, directory: Path, topics: KafkaBroker | None = None) -> None:
        self.name = name
        self._directory = directory
        (directory / "server").mkdir(parents=True)
        self._topics = topics
        self._own_broker: KafkaBroker | None = None
        if name == KAFKA and topics is None:
            self._own_broker = KafkaBroker(directory / "broker", quick_start=False)
        # Of a name that no other system has on a shared broker.
        self.cluster = "perdure" if topics is None else f"bench-{time.time_ns()}"
        self.server = self._build()
        self._started = False

    @property
    def port(self) -> int:
        port = urlsplit(self.server.ingress).port
        assert port is not None
        return port

    @property
    def _broker(self) -> KafkaBroker | None:
        return self._topics or self._own_broker

    @property
    def bootstrap(self) -> str:
        """Of the brokers whose topics are served."""
        assert self._topics is not None, f"{self.name} serves no topics"
        return self._topics.bootstrap

    @property
    def broker_pid(self) -> int:
        assert self._topics is not None, f"{self.name} serves no topics"
        return self._topics.pid

    @property
    def ingress_topic(self) -> str:
        return f"{self.cluster}.ingress"

    @property
    def broker_cluster(self) -> str:
        """The name that the server knows the brokers by."""
        return "log" if self.name == KAFKA else _BROKER_CLUSTER

    @property
    def keeps_the_log(self) -> str:
        return "broker" if self.name == KAFKA else "server"

    def start(self) -> System:
        if self._own_broker is not None:
            self._own_broker.start()
        self._started = True
        self.server.start(timeout_s=120.0)
        if self._topics is not None and self.broker_cluster != "log":
            properties = {"bootstrap.servers": self.bootstrap}
            self._ask("/kafka-clusters", {"name": self.broker_cluster, "properties": properties})
        return self

    def _build(self) -> Server:
        directory = self._directory / "server"
        if self.name == RESTATE:
            return RestateServer(directory, ServerOptions(partitions=24))
        if self.name == RESTATE_4:
            return RestateServer(directory, ServerOptions(partitions=4))
        options = ServerOptions(cluster=self.cluster)
        if self.name == KAFKA:
            assert self._broker is not None
            bootstrap = self._broker.bootstrap
            options = replace(options, log="kafka", kafka_bootstrap=bootstrap)
        elif self._topics is not None:
            place = f"{self.broker_cluster}/{self.ingress_topic}"
            options = replace(options, env={"PERDURE_INGRESS_TOPIC": place})
        return PerdureServer(directory, options)

    def stop(self) -> None:
        if self._started:
            self.server.stop()
        if self._own_broker is not None and self._own_broker.process.alive:
            self._own_broker.stop()

    def register(self, endpoint: Endpoint) -> None:
        """Make `endpoint` the newest deployment of its services, also if it was before another;
        then a call has been answered."""
        wanted = {"uri": endpoint.uri, "use_http_11": endpoint.use_http_11, "force": True}
        self._ask("/deployments", wanted)
        self.first_answer_s()

    def subscribe(self, topic: str, sink: str) -> None:
        """Every record of `topic`, from its beginning, invokes `sink`."""
        wanted = {
            "source": f"kafka://{self.broker_cluster}/{topic}",
            "sink": f"service://{sink}",
            "options": {"auto.offset.reset": "earliest"},
        }
        self._ask("/subscriptions", wanted)

    def state_of(self, service: str) -> dict[str, str]:
        """The one value of each object of `service`, as text, by key."""
        query = f"select service_key, value_utf8 from state where service_name = '{service}'"
        rows = self._ask("/query", {"query": query})["rows"]
        return {row["service_key"]: row["value_utf8"] for row in rows}

    def _ask(self, path: str, wanted: dict[str, Any]) -> Any:
        admin = urlsplit(self.server.admin)
        connection = http.client.HTTPConnection(admin.netloc, timeout=60)
        try:
            connection.request("POST", path, json.dumps(wanted), _JSON)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status not in (200, 201):
            reason = answer.decode(errors="replace")
            raise RuntimeError(f"{self.name} refused {path} {wanted}: {response.status} {reason}")
        return json.loads(answer)

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
