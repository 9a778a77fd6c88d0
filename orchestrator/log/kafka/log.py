"""The log on Kafka: topics of a cluster that somebody else runs, keeps and backs up."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from confluent_kafka import KafkaException, TopicPartition

from orchestrator.kafka.errors import text_of
from orchestrator.kafka.options import refuse_owned
from orchestrator.log.batches import refuse_soon, why_refused
from orchestrator.log.directory import refuse_files, take_directory
from orchestrator.log.files import Disk, Files
from orchestrator.log.following import NeverFollowed
from orchestrator.log.kafka.clients import Clients
from orchestrator.log.kafka.directory_id import directory_id
from orchestrator.log.kafka.group import Membership, await_sole_member
from orchestrator.log.kafka.options import KafkaOptions
from orchestrator.log.kafka.presence import Presence
from orchestrator.log.kafka.reader import TopicRead
from orchestrator.log.kafka.tail import Tail
from orchestrator.log.kafka.topics import ensure_topics
from orchestrator.log.kafka.writer import KafkaWriter
from orchestrator.log.known import LogGone
from orchestrator.log.port import (
    STALLED_MS,
    Batch,
    ClockMs,
    Deliver,
    Done,
    FollowEnded,
    Health,
    LogRefused,
    LogUnavailable,
    Rest,
    Subscription,
    monotonic_ms,
    no_rest,
)
from orchestrator.runtime.beat import until_beat_s

T = TypeVar("T")

_TRY_AGAIN_S_MIN: Final = 0.1
_TRY_AGAIN_S_MAX: Final = 1.0
_TICK_S: Final = 1.0
_PROBE_S: Final = 2.0
_VERIFY_EVERY_MS: Final = 5000
_CONFIGS_EVERY_MS: Final = 60_000
_LAST_APPENDS_S: Final = 5.0
_READS_MAX: Final = 4
_LOG = logging.getLogger("perdure.log.kafka")


class KafkaLog:
    """The `Log` port over the topics `<cluster>.log` and `<cluster>.meta`."""

    def __init__(self, options: KafkaOptions, *, clock_ms: ClockMs = monotonic_ms) -> None:
        self._options = options
        self._clock_ms = clock_ms
        self._identity = b""
        self._reason = "the log is not open"
        self._files: Files | None = None
        self._clients: Clients | None = None
        self._writer: KafkaWriter | None = None
        self._member: Membership | None = None
        self._tail: Tail | None = None
        self._presence: Presence | None = None
        self._gone: LogGone | None = None
        self._on_gone: Callable[[LogRefused], None] = lambda refusal: None
        self._is_verifying = False
        self._said = ""  # which right is missing to look at the topics
        self._verified_ms = self._configs_ms = clock_ms()
        self._config_trouble = ""  # as it was logged last
        self._verification: asyncio.Task[None] | None = None
        self._threads = ThreadPoolExecutor(_READS_MAX, thread_name_prefix="log-kafka")
        self._turn = asyncio.Lock()
        self._readings: set[TopicRead] = set()
        self._tick: asyncio.TimerHandle | None = None
        self._probing = False
        self._closed = False

    may_lose_its_tail = True

    @property
    def partition_count(self) -> int:
        return self._options.partitions

    @property
    def identity(self) -> bytes:
        assert self._identity, "which log it is, is known once it is open"
        return self._identity

    @property
    def message_bytes_max(self) -> int:
        return self._options.message_bytes_max

    # opening and closing

    async def open(self) -> None:
        refuse_owned(self._options.librdkafka)
        try:
            clients = await self._in_thread(self._take)
            pause_s = _TRY_AGAIN_S_MIN
            while not await self._try_open(clients):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, _TRY_AGAIN_S_MAX)
            self._writer = KafkaWriter(
                clients.producer, clients.client_id, self._options.place, self._clock_ms
            )
        except BaseException:
            await self.close()
            raise
        self._reason = ""
        self._tick = asyncio.get_running_loop().call_later(_TICK_S, self._ticked)

    def _take(self) -> Clients:
        directory = self._options.directory
        self._files = take_directory(partial(Disk, directory), directory)
        try:
            name = f"{self._options.node_name}.{directory_id(self._files)}"
        except OSError as error:
            raise refuse_files(error) from error
        self._clients = Clients(self._options, name)
        return self._clients

    async def _try_open(self, clients: Clients) -> bool:
        try:
            self._identity = await self._in_thread(partial(self._verify, clients))
            self._presence = Presence(clients.admin, self._options, self._identity)
        except KafkaException as raised:
            clients.serve()
            if clients.refused is not None:
                raise clients.refused from raised
            reason = f"Kafka at {self._options.bootstrap}: {text_of(raised)}"
            if reason != self._reason:
                _LOG.warning("%s; trying again", reason)
            self._reason = reason
            return False
        return True

    def _verify(self, clients: Clients) -> bytes:
        identity = ensure_topics(clients.admin, self._options)
        if not self._options.one_node:
            return identity
        self._reason = "waiting for the session of another node to end"
        await_sole_member(clients.admin, self._options, clients.client_id, lambda: self._closed)
        return identity

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._reason = "the log is closed"
        if self._tick is not None:
            self._tick.cancel()
        if self._verification is not None:
            self._verification.cancel()
        for reading in self._readings:
            reading.cancel()
        if self._tail is not None:
            await self._tail.close()
        if self._writer is not None:
            await self._writer.close(_LAST_APPENDS_S)
        if self._member is not None:
            await self._member.close()
        if self._clients is not None:
            await self._in_thread(self._clients.readers.close)
        await asyncio.to_thread(self._threads.shutdown)
        if self._files is not None:
            self._files.unlock()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    # appending

    def append(self, batch: Batch, done: Done) -> None:
        options = self._options
        refused = why_refused(batch, options.partitions, options.message_bytes_max)
        if self._gone is not None:
            refused = refused or str(self._gone)
        if self._writer is None:
            refuse_soon(batch, done, refused or self._reason)
            return
        self._writer.append(batch, done, refused)

    def restart(self, partition: int) -> None:
        if self._writer is not None:
            self._writer.restart(partition)

    # reading

    async def read(
        self, partition: int, offset: int, deliver: Deliver, rest: Rest = no_rest
    ) -> int:
        topic, number = self._options.place(partition)
        reading = TopicRead(
            self._require_open().readers, topic, number, offset, deliver, self._turn, rest
        )
        self._readings.add(reading)
        try:
            # The log is verified before and after, so that bounds of another log are never
            # returned.
            await self._verify_presence()
            following = await self._in_thread(reading.run)
            await self._verify_presence()
            return following
        finally:
            reading.cancel()
            self._readings.discard(reading)

    async def bounds(self, partition: int) -> tuple[int, int]:
        return await self._bounds_of(TopicPartition(*self._options.place(partition)))

    async def _bounds_of(self, place: TopicPartition) -> tuple[int, int]:
        await self._verify_presence()
        return await self._in_thread(partial(self._require_open().readers.bounds, place))

    def follow(
        self, partition: int, offset: int, deliver: Deliver, ended: FollowEnded
    ) -> Subscription:
        if self._writer is None or self._closed or self._clients is None:
            return NeverFollowed(ended, LogUnavailable(self._reason))
        if self._gone is not None:
            return NeverFollowed(ended, self._gone)
        if self._tail is None:
            clients = self._clients
            self._tail = Tail(clients.tail, clients.client_id, self._bounds_of)
        return self._tail.follow(self._options.place(partition), offset, deliver, ended)

    def _require_open(self) -> Clients:
        if self._clients is None or self._closed:
            raise LogUnavailable(self._reason)
        if self._gone is not None:
            raise self._gone
        return self._clients

    async def _verify_presence(self) -> None:
        """Is it still the log that was opened? Raises `LogGone`, `LogUnavailable`."""
        self._require_open()
        if self._presence is None:
            return
        try:
            await self._in_thread(self._presence.verify)
        except LogGone as gone:
            self._declare_gone(gone)
            raise

    def _declare_gone(self, gone: LogGone) -> None:
        """The log is gone: report it once, and answer nothing else any more."""
        if self._gone is not None or self._closed:
            return
        self._gone = gone
        _LOG.error("%s", gone)
        if self._member is not None:
            self._member.stop_reporting()
        if self._writer is not None:
            self._writer.give_up(str(gone))
        if self._tail is not None:
            self._tail.end_all(gone)
        self._on_gone(gone)

    def trim(self, partition: int, below_offset: int) -> None:
        place = TopicPartition(*self._options.place(partition), below_offset)
        for future in self._require_open().admin.delete_records([place]).values():
            future.add_done_callback(_trimmed)

    # leading

    def lead(
        self,
        assigned: Callable[[int], None],
        revoked: Callable[[int], None],
        gone: Callable[[LogRefused], None],
    ) -> None:
        self._on_gone = gone
        self._member = Membership(self._options, self._require_open(), assigned, revoked)

    def health(self) -> Health:
        refused = self._member.refused if self._member is not None else None
        leads = self._member is not None and bool(self._member.partitions)
        if self._writer is None or self._closed:
            return Health(False, self._reason, 0, leads, refused)
        oldest_ms = self._writer.oldest_ms()
        down = self._writer.down_reason
        reason = f"Kafka at {self._options.bootstrap}: {down}" if down else ""
        reason = reason or self._writer.refused_reason
        if self._gone is not None:
            reason = str(self._gone)
        elif refused is not None:
            reason = refused.message
        elif oldest_ms >= STALLED_MS and self._is_stalled(self._writer):
            reason = f"an append has been waiting for {oldest_ms} ms. {reason}".rstrip()
        return Health(not reason, reason, oldest_ms, leads, refused)

    def _is_stalled(self, writer: KafkaWriter) -> bool:
        """Whether no partition of this node takes appends. One whose leader is away refuses new
        work by itself: those of other brokers go on."""
        led = set() if self._member is None else set(self._member.partitions)
        return led <= writer.slow(STALLED_MS)

    def _ticked(self) -> None:
        """Once a second: serve clients that were silent, look whether brokers are back, and
        whether another node has joined."""
        loop = asyncio.get_running_loop()
        self._tick = loop.call_later(until_beat_s(loop.time(), _TICK_S), self._ticked)
        if self._member is not None:
            self._member.serve()
            self._member.check_for_others(self._threads)
        if self._clients is not None:
            self._clients.serve()
        if self._gone is None and not self._is_verifying and self._is_verification_due():
            self._is_verifying = True
            self._verification = loop.create_task(self._verify_in_background())
        if self._writer is not None and self._writer.down_reason and not self._probing:
            self._probing = True
            loop.run_in_executor(self._threads, self._probe).add_done_callback(self._probed)

    def _is_verification_due(self) -> bool:
        writer = self._writer
        failing = writer is not None and (writer.refused_reason or writer.oldest_ms() >= STALLED_MS)
        return bool(failing) or self._clock_ms() - self._verified_ms >= _VERIFY_EVERY_MS

    async def _verify_in_background(self) -> None:
        try:
            await self._verify_presence()
            await self._verify_rights()
            await self._look_at_configs()
        except (LogGone, LogUnavailable):
            pass  # LogGone was reported; LogUnavailable shows in appends and reads
        finally:
            self._say_what_is_refused()
            self._verified_ms = self._clock_ms()
            self._is_verifying = False

    def _say_what_is_refused(self) -> None:
        """Once for each right: appends may go on for long without it, and then fail."""
        refused = "" if self._presence is None else self._presence.refused
        if refused and refused != self._said:
            _LOG.error("%s", refused)
        self._said = refused

    async def _verify_rights(self) -> None:
        """Let new work in again once the right that was missing is back."""
        writer, presence = self._writer, self._presence
        if writer is None or presence is None or not writer.refused_reason:
            return
        if await self._in_thread(presence.may_be_written):
            writer.refused_reason = ""

    async def _look_at_configs(self) -> None:
        """Say it once if somebody configures a topic so that it loses data: the brokers wait a
        while before they delete anything."""
        now_ms = self._clock_ms()
        if self._presence is None or now_ms - self._configs_ms < _CONFIGS_EVERY_MS:
            return
        self._configs_ms = now_ms
        trouble = await self._in_thread(self._presence.config_trouble)
        if trouble and trouble != self._config_trouble:
            _LOG.error("%s", trouble)
        self._config_trouble = trouble

    def _probe(self) -> bool:
        try:
            self._require_open().admin.list_topics(self._options.log_topic, timeout=_PROBE_S)
        except (KafkaException, LogUnavailable, LogRefused):
            return False
        return True

    def _probed(self, found: "asyncio.Future[bool]") -> None:
        self._probing = False
        if self._writer is not None and not found.cancelled() and found.result():
            self._writer.down_reason = ""


def _trimmed(future: "Future[object]") -> None:
    raised = future.exception()
    if raised is not None:
        _LOG.warning("messages that are no longer needed could not be deleted: %s", raised)
