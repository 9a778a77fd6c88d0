"""Writes a checkpoint of the metadata a little after it changed."""

import asyncio
import logging

from orchestrator.registry.metadata import Metadata
from orchestrator.registry.schema import Registry

_log = logging.getLogger("perdure.node")
DELAY_S = 1.0


class MetadataKeeper:
    """One checkpoint for all changes within `DELAY_S`."""

    def __init__(self, metadata: Metadata) -> None:
        self._metadata = metadata
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        metadata.on_change(self._changed)

    def _changed(self, registry: Registry) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY_S, self._due)

    def _due(self) -> None:
        self._timer = None
        self._task = asyncio.get_running_loop().create_task(self._keep())

    async def _keep(self) -> None:
        try:
            await self._metadata.checkpoint()
        except OSError as error:
            # The log still holds everything; the next change tries again.
            _log.warning("PD0208 the metadata could not be checkpointed: %s", error)

    async def close(self) -> None:
        """The last one, so that the next start reads little."""
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            await self._task
        await self._keep()
