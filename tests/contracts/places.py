"""Where a log of the contract suite lives: each kind makes logs over the same kept data."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

from orchestrator.log.embedded.log import EmbeddedLog, EmbeddedOptions
from orchestrator.log.embedded.spares import SegmentSizes
from orchestrator.log.embedded.syncs import Syncs
from orchestrator.log.kafka.log import KafkaLog
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.memory import MemoryLog, MemoryTopic
from orchestrator.log.port import Log

PARTITIONS = 3
MESSAGE_BYTES_MAX = 3 << 20
_CLUSTERS = count()


@dataclass
class Place:
    """`make` gives a log over the same data each time, `make_with` one with other partitions,
    `make_other` one of another node, at the same time."""

    kind: str
    make: Callable[[], Log]
    make_with: Callable[[int], Log] | None  # None: the kind keeps no count
    make_other: Callable[[], Log] | None = None  # None: the kind belongs to one process


def memory_place(_: Path) -> Place:
    topic = MemoryTopic(PARTITIONS)

    def make() -> Log:
        return MemoryLog(PARTITIONS, topic=topic, message_bytes_max=MESSAGE_BYTES_MAX)

    return Place("memory", make, None, make)


def embedded_place(directory: Path, syncs: Callable[[], Syncs | None] | None = None) -> Place:
    sizes = SegmentSizes(segment_bytes_min=1 << 20, segment_bytes_max=1 << 20, reserve_bytes=0)

    def make_with(partitions: int) -> Log:
        options = EmbeddedOptions(directory, partitions, MESSAGE_BYTES_MAX, sizes)
        return EmbeddedLog(options, syncs=syncs)

    return Place("embedded", lambda: make_with(PARTITIONS), make_with)


def kafka_options(directory: Path, bootstrap: str) -> KafkaOptions:
    return KafkaOptions(
        bootstrap,
        directory,
        cluster=f"test{next(_CLUSTERS)}",
        partitions=PARTITIONS,
        one_node=True,
        message_bytes_max=MESSAGE_BYTES_MAX,
    )


def kafka_place(directory: Path, bootstrap: str) -> Place:
    options = kafka_options(directory, bootstrap)

    def make_with(partitions: int) -> Log:
        return KafkaLog(replace(options, partitions=partitions))

    def make_other() -> Log:
        return KafkaLog(replace(options, directory=directory / "other", node_name="other"))

    return Place("kafka", lambda: make_with(PARTITIONS), make_with, make_other)
