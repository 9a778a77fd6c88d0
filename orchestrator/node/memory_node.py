"""A node that keeps everything in memory, under a clock of its own.

Its process may "die" at any moment: what `Memory` holds is then what a disk would have.
"""

import asyncio
from collections.abc import Awaitable, Callable

from msgspec.structs import replace

from orchestrator.config.options import NodeOptions
from orchestrator.exchanges.apps import Apps
from orchestrator.node.faces import Faces
from orchestrator.node.files import Shares
from orchestrator.node.parts import assemble
from orchestrator.node.surroundings import FAR_S, Memory, in_memory
from orchestrator.runtime.virtual import VirtualClock, VirtualScheduler

SHARES = Shares(connections=1_000, refused=64, attempts=256)


class MemoryNode:
    """One life of an engine over `memory`."""

    def __init__(
        self,
        options: NodeOptions,
        memory: Memory,
        clock: VirtualClock,
        apps: Apps,
        ingress: bool,
        admin: bool,
        before_doors_open: Callable[[], Awaitable[None]],
    ) -> None:
        self._apps = apps
        self._before_doors_open = before_doors_open
        self._scheduler = VirtualScheduler(clock)
        around = in_memory(memory, clock, self._scheduler, apps)
        self.partitions = around.log.partition_count
        processor = replace(
            options.processor,
            turn_gap_max_s=0.0,
            turn_patience_s=FAR_S,  # appends are answered in the next turn
            tick_s=5.0,
            cleanup_s=FAR_S,
            timers_ahead_ms=int(FAR_S * 1000),
            look_every_ms=int(FAR_S * 1000),
        )
        # What is on its way is never put off: `settle` need not wait for real time to pass.
        invoker = replace(options.invoker, flush_soon_s=0.0, flush_later_s=0.0)
        options = replace(options, processor=processor, invoker=invoker)
        self.parts = assemble(options, around, self.partitions, SHARES)
        self.faces = Faces(self.parts, options, ingress, admin)

    async def start(self) -> None:
        """Ready when it returns."""
        await self.faces.start(self._open_rooms)

    async def _open_rooms(self) -> None:
        parts = self.parts
        await parts.log.open()
        await parts.metadata.open()
        parts.processor.start()
        while len(parts.processor.leading()) < self.partitions:
            await asyncio.sleep(0)
        await self._before_doors_open()
        parts.gate.open()

    async def stop(self) -> None:
        """Nothing has to be brought to a disk: as `kill`, but clients get their answer."""
        self.parts.gate.close()
        await self.faces.stop()
        await self.kill()

    async def kill(self) -> None:
        """As if the process had died: nothing that is under way goes on."""
        self._apps.cut()
        await self._scheduler.end()
        self.parts.metadata.close()
        self.parts.decider.close()
        self.parts.brokers.close()
        await self.parts.log.close()
