"""The life of a node.

Start: the doors listen and say 503, the log opens, the metadata is read, partitions are restored
and led, the doors open. End: new work is refused, streams are half-closed so that attempts
suspend, in-flight appends are awaited, waiting clients are answered, everything is closed.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from orchestrator.config.options import NodeOptions
from orchestrator.exchanges.apps import Apps
from orchestrator.log.options import PARTITIONS_DEFAULT
from orchestrator.node.data_directory import DataDirectory
from orchestrator.node.faces import Faces
from orchestrator.node.files import raise_limit, share_out
from orchestrator.node.ingress_topic import IngressTopicKeeper
from orchestrator.node.memory_keeper import MemoryKeeper
from orchestrator.node.metadata_keeper import MetadataKeeper
from orchestrator.node.parts import assemble
from orchestrator.node.surroundings import on_disk
from orchestrator.node.watchdog import Watchdog
from orchestrator.processor.port import Engine
from orchestrator.runtime.beat import until_beat_s

_log = logging.getLogger("perdure.node")

SUSPEND_S = 4.0  # for attempts to suspend once their streams are half-closed
LAND_S = 2.0  # for the last appends
_LOOK_S = 0.01
_HEALTH_S = 1.0


class Node:
    """One server process. Made and used on its event loop."""

    def __init__(
        self,
        options: NodeOptions,
        directory: DataDirectory,
        apps: Apps | None = None,
        ingress: bool = True,
        admin: bool = True,
        before_doors_open: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`apps`: those that this process runs itself. `ingress`, `admin`: whether it listens."""
        self._before_doors_open = before_doors_open
        self._options = options
        self._directory = directory
        self.partitions = directory.check(
            options.log.kind, options.server.cluster, options.log.partitions, PARTITIONS_DEFAULT
        )
        shares = share_out(raise_limit(), self.partitions)
        around = on_disk(options, directory, self.partitions, Apps() if apps is None else apps)
        self.parts = self._parts = assemble(options, around, self.partitions, shares)
        self._keeper = MetadataKeeper(self._parts.metadata)
        self._memory: asyncio.Task[None] | None = None
        self._watchdog: Watchdog | None = None
        self._ingress_topic: asyncio.Task[None] | None = None
        self._is_log_open = False
        self.faces = Faces(self._parts, options, ingress, admin)

    @property
    def engine(self) -> Engine:
        """All partitions, for who runs in this process."""
        return self._parts.processor.engine

    async def start(self) -> None:
        """Ready when it returns. Raises LogRefused, LogCorrupt, MetadataLost, CannotListen."""
        self._parts.loop_lag.start()
        self._memory = asyncio.create_task(MemoryKeeper(self._parts.cache).run())
        await self.faces.start(self._open_rooms)

    async def _open_rooms(self) -> None:
        parts, options = self._parts, self._options
        await parts.log.open()
        self._is_log_open = True
        kind, cluster = options.log.kind, options.server.cluster
        self._directory.keep(kind, cluster, self.partitions, parts.log.identity)
        await parts.metadata.open()
        if options.log.kind == "kafka":
            self._watchdog = Watchdog(asyncio.get_running_loop())
            self._watchdog.start()
        parts.processor.start()
        keeper = IngressTopicKeeper(
            options, parts.metadata, parts.brokers, parts.clock, parts.entropy
        )
        self._ingress_topic = asyncio.create_task(keeper.run())
        await self._all_settled()
        if self._before_doors_open is not None:
            await self._before_doors_open()
        parts.gate.open()

    async def _all_settled(self) -> None:
        """Until each partition is led here, or has stopped with its reason."""
        processor = self._parts.processor
        while len(processor.leading()) + len(processor.stopped()) < self.partitions:
            self._raise_refusal()
            await asyncio.sleep(_LOOK_S)

    def _raise_refusal(self) -> None:
        refused = self._parts.log.health().refused
        if refused is not None:
            raise refused

    async def watch(self) -> None:
        """Never returns; raises LogRefused if the log no longer lets this node run."""
        while True:
            now_s = asyncio.get_running_loop().time()
            await asyncio.sleep(until_beat_s(now_s, _HEALTH_S))
            self._raise_refusal()

    async def stop(self) -> None:
        """End in good order, within ten seconds; also after a start that failed."""
        parts = self._parts
        parts.gate.close()
        if self._memory is not None:
            self._memory.cancel()
        if self._ingress_topic is not None:
            self._ingress_topic.cancel()
        parts.ingress.drain()
        parts.invoker.half_close_all()
        await self._attempts_end()
        await parts.processor.close(LAND_S)
        await parts.invoker.close()
        await self.faces.stop()
        if parts.query is not None:
            await parts.query.close()
        if self._is_log_open:
            parts.metadata.close()
            parts.intake.close()
            parts.decider.close()
            parts.brokers.close()
            await self._keeper.close()
        await parts.log.close()
        parts.loop_lag.stop()
        if self._watchdog is not None:
            self._watchdog.stop()

    async def _attempts_end(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + SUSPEND_S
        while self._parts.invoker.running_count and loop.time() < deadline:
            await asyncio.sleep(_LOOK_S)
