"""What a node stands on: the disk and the clocks of a server, or memory."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from orchestrator.brokers.memory_broker import MemoryBroker
from orchestrator.config.options import NodeOptions
from orchestrator.exchanges.apps import Apps
from orchestrator.log.memory import MemoryLog, MemoryTopic
from orchestrator.log.port import Log
from orchestrator.node.adapters import make_homes, make_log
from orchestrator.node.data_directory import DataDirectory
from orchestrator.node.topics import TopicAdapters, kafka_topics, memory_topics
from orchestrator.runtime.clock import Clock, SystemClock
from orchestrator.runtime.entropy import Entropy, SystemEntropy
from orchestrator.runtime.scheduler import LoopScheduler, Scheduler
from orchestrator.store.memory import MemoryHome
from orchestrator.store.port import StoreHome

FAR_S: Final = 100 * 365 * 86400.0
"""Under a clock that is skipped nothing looks now and then: a year has very many of them."""


@dataclass(frozen=True)
class NodeSurroundings:
    """Adapters and clocks; `trims`: the log may forget what checkpoints hold."""

    log: Log
    open_home: Callable[[int], StoreHome]
    metadata_directory: Path | None
    trims: bool
    clock: Clock
    entropy: Entropy
    scheduler: Scheduler
    apps: Apps
    topics: TopicAdapters
    is_measured: bool = True
    """Whether memory, time and files of the process are metrics of this node."""


def on_disk(
    options: NodeOptions, directory: DataDirectory, partitions: int, apps: Apps
) -> NodeSurroundings:
    """A data directory, and the log that was asked for."""
    return NodeSurroundings(
        log=make_log(options, directory, partitions),
        open_home=make_homes(directory),
        metadata_directory=directory.metadata,
        # The embedded log goes with the checkpoints; Kafka must outlive this disk.
        trims=options.log.kind == "embedded",
        clock=SystemClock(),
        entropy=SystemEntropy(),
        scheduler=LoopScheduler(),
        apps=apps,
        topics=kafka_topics(options, SystemClock().now_ms()),
    )


@dataclass
class Memory:
    """What outlives a crash of a node that keeps nothing on disk."""

    topic: MemoryTopic
    broker: MemoryBroker
    homes: dict[int, MemoryHome] = field(default_factory=dict)

    def home(self, partition: int) -> MemoryHome:
        return self.homes.setdefault(partition, MemoryHome())


def in_memory(memory: Memory, clock: Clock, scheduler: Scheduler, apps: Apps) -> NodeSurroundings:
    """Nothing on disk; the whole log is kept."""
    partitions = len(memory.topic.values) - 1  # without the metadata
    return NodeSurroundings(
        log=MemoryLog(partitions, topic=memory.topic, call_soon=scheduler.call_soon),
        open_home=memory.home,
        metadata_directory=None,
        trims=False,
        clock=clock,
        entropy=SystemEntropy(),
        scheduler=scheduler,
        apps=apps,
        topics=memory_topics(memory.broker, scheduler.call_soon, clock.now_ms(), FAR_S),
        is_measured=False,
    )
