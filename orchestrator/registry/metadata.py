"""The metadata of a node: read from the log's metadata partition, changed by appending to it.

A change is decided looking at the newest state known, appended, and applied once acknowledged.
If another writer was faster the record is passed over, and the change is decided anew. What other
nodes change comes by following the partition.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from orchestrator.codec.records import message_hash
from orchestrator.log.port import (
    META,
    AppendError,
    FollowEnd,
    Log,
    LogCorrupt,
    LogMessage,
    LogUnavailable,
    OffsetOutOfRange,
    Subscription,
)
from orchestrator.model.operating import OperatingError
from orchestrator.registry import checkpoint
from orchestrator.registry.apply_metadata import (
    MetadataCorrupt,
    MetadataState,
    apply_metadata,
    decode_record,
    encode_record,
    encode_state,
)
from orchestrator.registry.records import AnyMetadataRecord
from orchestrator.registry.schema import Deployment, Registry
from orchestrator.registry.snapshot import Defaults, build_registry, resolve_deployment
from orchestrator.registry.stored import StoredDeployment
from orchestrator.registry.stored_topics import StoredCluster

T = TypeVar("T")
_log = logging.getLogger("perdure.metadata")

Decide = Callable[[MetadataState], tuple[AnyMetadataRecord | None, T]]

READ_RETRY_S: Final = 0.5
CONFLICTS_MAX: Final = 20
NOT_READ: Final = "the deployments and services have not been read from the log yet"
APPEND_WAIT_S: Final = 30.0


class MetadataUnavailable(Exception):
    """The change was not made, or (`unknown`) it is not known whether it was."""

    def __init__(self, message: str, *, unknown: bool = False) -> None:
        super().__init__(message)
        self.unknown = unknown


class MetadataLost(OperatingError):
    """The log no longer has the beginning of the metadata, and no checkpoint fits it."""

    def __init__(self, found: str) -> None:
        super().__init__("PD0501", f"The metadata cannot be restored: {found}.")


class Metadata:
    """Deployments and services as this node knows them; `registry` is always a whole version."""

    def __init__(
        self,
        log: Log,
        defaults: Defaults,
        directory: Path | None,
        *,
        trim: bool = False,
        log_cluster: StoredCluster | None = None,
    ) -> None:
        """`directory` holds the checkpoints; `trim` lets the log forget what they cover."""
        self._log = log
        self._defaults = defaults
        self._directory = directory
        self._trim = trim
        self._log_cluster = log_cluster
        self._changing = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._listeners: list[Callable[[Registry], None]] = []
        self._watched = b""  # the change being made, and whether it was the first to come
        self._watched_won = False
        self._is_in_doubt = False  # an append had an unknown fate: `restart` has to come first
        self._following: Subscription | None = None
        self._broken: MetadataCorrupt | None = None  # nothing is applied after it
        self._stale_reason = ""  # why changes of others are not seen any more
        self._is_known = False  # read to the end once
        self.state = MetadataState()
        self.applied = 0
        self._last = (-1, b"")  # offset and hash of the last message applied
        self.registry = build_registry(self.state, defaults, log_cluster)

    def known(self) -> Registry:
        """`registry`; raises MetadataUnavailable before it was read, when nothing is known, and
        when the log cannot be followed any more: what others changed since is not known."""
        if not self._is_known:
            raise MetadataUnavailable(NOT_READ)
        if self._stale_reason:
            raise MetadataUnavailable(self._stale_reason)
        return self.registry

    def resolved(self, stored: StoredDeployment) -> Deployment:
        """A deployment as this server would serve it, registered or only planned."""
        return resolve_deployment(stored, self._defaults)

    def on_change(self, listener: Callable[[Registry], None]) -> None:
        """Call `listener` on the event loop with every new version."""
        self._listeners.append(listener)

    async def open(self) -> None:
        """Start from a checkpoint that fits, then read to the end; waits for a log out of reach."""
        while True:
            try:
                first, following = await self._log.bounds(META)
                await self._start_from(first, following)
                await self._read()
            except LogUnavailable:
                await asyncio.sleep(READ_RETRY_S)
                continue
            self._is_known = True
            self._following = self._log.follow(META, self.applied, self._deliver, self._ended)
            return

    def close(self) -> None:
        """Stop following what others change."""
        if self._following is not None:
            self._following.cancel()

    def _ended(self, why: FollowEnd) -> None:
        """The metadata are not followed any more. Calls go on with what is known; nothing is
        changed, and `known` raises, since others may have changed something."""
        if isinstance(why, LogUnavailable):  # it was closed
            return
        self._stale_reason = f"the metadata log cannot be followed: {why}"
        _log.error("%s", self._stale_reason)

    async def _start_from(self, first: int, following: int) -> None:
        saved, unfit = [], []
        if self._directory is not None:
            saved = await asyncio.to_thread(checkpoint.load, self._directory)
        for one in saved:
            if await self._fits(one, first, following):
                self.state = one.decoded()
                self.applied = one.applied
                self._last = (one.last_offset, one.last_hash)
                self._publish()
                break
            unfit.append(one)
        else:
            if first > 0:
                raise MetadataLost(
                    f"the metadata log begins at offset {first} and no checkpoint of it is left in"
                    f" {self._directory}: restore that directory, or register the deployments again"
                    " on a new log"
                )
        for one in unfit:
            assert self._directory is not None
            await asyncio.to_thread(checkpoint.forget, self._directory, one)

    async def _fits(self, one: checkpoint.Checkpoint, first: int, following: int) -> bool:
        """Whether it is of this log, and its last message, if the log still has it, is that one."""
        if one.identity != self._log.identity:
            return False
        if one.applied > following and not self._log.may_lose_its_tail:
            raise LogCorrupt(
                f"the metadata end at offset {following}, but a checkpoint holds what was"
                f" acknowledged up to offset {one.applied}"
            )
        if not first <= one.applied <= following:
            return False
        if one.last_offset < first:
            return True
        found: list[LogMessage] = []
        await self._log.read(META, one.last_offset, found.extend)
        return bool(found) and _mark(found[0]) == (one.last_offset, one.last_hash)

    async def _read(self) -> None:
        """Apply everything up to the end; raises MetadataCorrupt for what cannot be read."""
        async with self._reading:
            following = await self._log.read(META, self.applied, self._deliver)
            if self._broken is not None:
                raise self._broken
            self.applied = max(self.applied, following)

    def _deliver(self, messages: list[LogMessage]) -> None:
        version = self.state.version
        for message in messages:
            if message.offset >= self.applied and self._broken is None:
                self._apply(message)
        if self.state.version != version:
            self._publish()

    def _apply(self, message: LogMessage) -> None:
        try:
            record = decode_record(message.value)
        except MetadataCorrupt as error:
            self._broken = MetadataCorrupt(f"offset {message.offset}: {error.message}")
            self._stale_reason = str(self._broken)
            _log.error("%s", self._stale_reason)
            return
        if apply_metadata(self.state, record):
            self._watched_won |= message.value == self._watched
        self.applied = message.offset + 1
        self._last = _mark(message)

    def _publish(self) -> None:
        self.registry = build_registry(self.state, self._defaults, self._log_cluster, self.registry)
        for listener in self._listeners:
            listener(self.registry)

    async def change(self, decide: Decide[T]) -> T:
        """Append what `decide` returns and wait until it is applied; again after a conflict.

        `decide` sees the newest state and returns a record (None: nothing to change) and a value.
        Raises MetadataUnavailable.
        """
        self.known()
        async with self._changing:
            self.known()  # it may have ended while this one waited
            for _ in range(CONFLICTS_MAX):
                record, value = decide(self.state)
                if record is None or await self._commit(record):
                    return value
        raise MetadataUnavailable("other changes of the metadata keep coming first: try again")

    async def _commit(self, record: AnyMetadataRecord) -> bool:
        """Append and apply; returns whether the change was accepted."""
        message = encode_record(record)
        self._watched, self._watched_won = message, False
        self._go_on()
        try:
            await asyncio.wait_for(self._append(message), APPEND_WAIT_S)
        except TimeoutError:
            raise MetadataUnavailable("the log does not answer", unknown=True) from None
        except AppendError as error:
            if error.refused:
                raise MetadataUnavailable(f"the log takes no change: {error.reason}") from None
            # Its fate is unknown: once the log goes on, reading to the end tells.
            self._go_on()
        if not self._watched_won:
            await self._read_to_end()
        return self._watched_won

    def _go_on(self) -> None:
        """Go on after an append of unknown fate: it may be in the log."""
        if self._is_in_doubt:
            self._is_in_doubt = False
            self._log.restart(META)

    def _append(self, message: bytes) -> asyncio.Future[None]:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(_partition: int, offset: int, _count: int, error: AppendError | None) -> None:
            if error is None and offset == self.applied:
                self._deliver([LogMessage(offset, message)])
            if error is not None and not error.refused:
                self._is_in_doubt = True
            if waiter.done():
                return
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)

        self._log.append([(META, [message])], done)
        return waiter

    async def _read_to_end(self) -> None:
        try:
            await self._read()
        except (LogUnavailable, OffsetOutOfRange, MetadataCorrupt) as error:
            raise MetadataUnavailable(
                f"the log cannot be read after a change: {error}", unknown=True
            ) from None

    async def checkpoint(self) -> None:
        """Write a checkpoint if anything changed since the last two, and trim the log below."""
        if self._directory is None:
            return
        content = checkpoint.Checkpoint(
            self._log.identity, self.applied, encode_state(self.state), *self._last
        )
        below = await asyncio.to_thread(checkpoint.save, self._directory, content)
        if self._trim and below > 0:
            self._log.trim(META, below)


def _mark(message: LogMessage) -> tuple[int, bytes]:
    return message.offset, message_hash(message.value)
