"""A composition as processes of this machine: the same programs, variables and commands."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, NewTopic

from tests.parts.cache import REPOSITORY
from tests.parts.compose import composition
from tests.parts.dockerfile import stages
from tests.parts.kafka import KafkaBroker
from tests.parts.processes import Process, free_port, http_status, port_open

EXAMPLE = REPOSITORY / "deploy" / "example"
PERDURE = [sys.executable, "-m", "orchestrator.cli.main"]
# What a broker on 127.0.0.1 has of its own.
_PLACES = ("LISTENER", "LOG_DIRS", "HEAP", "NODE_ID", "PROCESS_ROLES", "QUORUM")


class Topology:
    """Each service of a composition, in `directory`; names of hosts become ports of 127.0.0.1."""

    def __init__(self, path: Path, directory: Path) -> None:
        self._services: dict[str, Any] = composition(path)["services"]
        self._directory = directory
        self._ports = {name: free_port() for name in ("8080", "9070", "9080")}
        self.broker = self._broker() if "kafka" in self._services else None
        self.ingress = f"http://127.0.0.1:{self._ports['8080']}"
        self.admin = f"http://127.0.0.1:{self._ports['9070']}"
        self.server = Process("perdure", [*PERDURE, "serve"], log_dir=directory)
        self.example = self._example()

    def start(self) -> Topology:
        if self.broker is not None:
            self.broker.start()
            self._make_topics(self._services["topics"]["command"][-1], self.broker.bootstrap)
        # Now that the port of the broker is known.
        self.server.env = self._server_env()
        self.start_server()
        self.start_example()
        return self

    def start_server(self) -> None:
        self.server.start()
        self.server.wait_ready(lambda: self._status("8080", "/restate/health") == 200, 60.0)

    def start_example(self) -> None:
        self.example.start()
        self.example.wait_ready(lambda: port_open(int(self._ports["9080"])), 60.0)

    def run(self, name: str) -> str:
        """What a service that ends by itself prints: a command of `perdure`."""
        command = [self._here(word) for word in self._services[name]["command"]]
        done = subprocess.run(
            [*PERDURE, "--admin", self.admin, *command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def stop(self) -> None:
        self.example.kill()
        self.server.kill()
        if self.broker is not None:
            self.broker.kill()

    def _status(self, port: str, path: str) -> int:
        return http_status(self._ports[port], path)

    def _here(self, text: str) -> str:
        for name in ("perdure", "example", "localhost", "0.0.0.0"):
            for port, mine in self._ports.items():
                text = text.replace(f"{name}:{port}", f"127.0.0.1:{mine}")
        if self.broker is not None:
            text = text.replace("kafka:19092", self.broker.bootstrap)
        return text

    def _server_env(self) -> dict[str, str]:
        """The variables of the image, then those of the composition."""
        image = stages(REPOSITORY / "deploy" / "Dockerfile")[-1].pairs("ENV")
        given = {**image, **self._services["perdure"]["environment"]}
        env = {k: self._here(str(v)) for k, v in given.items() if k.startswith("PERDURE_")}
        name = self._services["perdure"]["hostname"]
        return env | {
            "PERDURE_DATA_DIR": str(self._directory / "data"),
            "PERDURE_NODE_NAME": name,
        }

    def _broker(self) -> KafkaBroker:
        given = self._services["kafka"]["environment"]
        options = {
            name.removeprefix("KAFKA_").lower().replace("_", "."): str(value)
            for name, value in given.items()
            if name.startswith("KAFKA_") and not any(place in name for place in _PLACES)
        }
        return KafkaBroker(self._directory / "kafka", options)

    def _make_topics(self, script: str, bootstrap: str) -> None:
        names = re.findall(r"for topic in (.*); do", script)[0].split()
        partitions = int(re.findall(r"--partitions (\d+)", script)[0])
        client = AdminClient({"bootstrap.servers": bootstrap})
        topics = [NewTopic(name, partitions, 1) for name in names]
        for made in client.create_topics(topics).values():
            made.result(30)

    def _example(self) -> Process:
        given = self._services["example"].get("environment", {})
        command = json.loads(stages(EXAMPLE / "Dockerfile")[-1].one("CMD"))
        config = self._directory / "hypercorn.toml"
        config.write_text(self._here((EXAMPLE / command[-1]).read_text()))
        words = [sys.executable, "-m", *command[:-1], str(config)]
        assert shlex.join(command) == "hypercorn counter:app --config hypercorn.toml"
        return Process("example", words, given, cwd=EXAMPLE, log_dir=self._directory)
