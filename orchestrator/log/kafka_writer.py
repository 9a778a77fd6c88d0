"""Appending to Kafka: an idempotent producer that is given up at its first error.

An idempotent producer can append message n + 1 after n has failed. So when anything fails,
everything in flight is of unknown fate and the producer goes; the partitions concerned take no
appends until `restart`, the others go on with a fresh producer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.log.kafka_serve import Served
from orchestrator.log.port import AppendError, Batch, ClockMs, Done

IN_FLIGHT_BYTES_MAX: Final = 256 << 20
"""Appends beyond this are refused, before librdkafka would hold them all in memory."""

_LOG = logging.getLogger(__name__)


class Place(Protocol):
    def __call__(self, partition: int) -> tuple[str, int]: ...


class Pending:
    """The messages of one append to one partition, until all are acknowledged."""

    __slots__ = ("_fail", "_settle", "bytes_count", "count", "done", "error", "first", "left",
                 "partition", "since_ms")  # fmt: skip

    def __init__(
        self,
        partition: int,
        messages: Sequence[bytes],
        done: Done,
        since_ms: int,
        settle: Callable[[int], None],
        fail: Callable[[str], None],
    ) -> None:
        self.partition = partition
        self.count = self.left = len(messages)
        self.bytes_count = sum(map(len, messages))
        self.done = done
        self.since_ms = since_ms
        self.first = -1
        self.error: AppendError | None = None
        self._settle = settle
        self._fail = fail

    def delivered(self, error: KafkaError | None, message: Message) -> None:
        """librdkafka's report on one message; they come in order."""
        if not self.left:
            return  # settled when its producer was given up
        if error is not None:
            self._fail(str(error.str()))
            return
        offset = message.offset()
        assert offset is not None, "a message that was delivered has an offset"
        if self.first < 0:
            self.first = offset
        elif offset != self.first + self.count - self.left:
            self._fail("another writer came between the messages of an append")
            return
        self.left -= 1
        if not self.left:
            self._settle(self.partition)


class KafkaWriter:
    """Appends of this process; every method is called on the event loop."""

    def __init__(
        self,
        make: Callable[[Callable[[KafkaError], None]], Producer],
        client_id: str,
        place: Place,
        clock_ms: ClockMs,
    ) -> None:
        self._make = make
        self._client_id = client_id
        self._place = place
        self._clock_ms = clock_ms
        self._loop = asyncio.get_running_loop()
        self._queues: dict[int, deque[Pending]] = {}
        self._unknown: set[int] = set()
        self._bytes_count = 0
        self._goodbyes: set[asyncio.Future[None]] = set()
        self.down_reason = ""  # why no broker can be reached
        self.closed = False
        self._begin()

    def _begin(self) -> None:
        """A fresh producer; at once, since getting its id from the broker takes a while."""
        self._producer = self._make(self._client_error)
        self._served = Served(self._producer, self._client_id, self._serve)

    def _serve(self) -> None:
        producer = self._producer
        while producer.poll(0) and producer is self._producer:
            pass

    def _client_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._give_up(str(error.str()))
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self.down_reason = str(error.str())

    def append(self, batch: Batch, done: Done, refused: str = "") -> None:
        for partition, messages in batch:
            self._append(partition, messages, done, refused or self._why_not(partition))

    def _why_not(self, partition: int) -> str:
        if self.closed:
            return "the log is closed"
        if partition in self._unknown:
            return "an earlier append is of unknown fate"
        if self._bytes_count > IN_FLIGHT_BYTES_MAX:
            return "too much is waiting for the brokers"
        return ""

    def _append(self, partition: int, messages: Sequence[bytes], done: Done, refused: str) -> None:
        pending = Pending(partition, messages, done, self._clock_ms(), self._settle, self._give_up)
        self._queues.setdefault(partition, deque()).append(pending)
        self._bytes_count += pending.bytes_count
        if refused:
            self._refuse(pending, refused)
            return
        topic, number = self._place(partition)
        produce, report = self._producer.produce, pending.delivered
        for index, message in enumerate(messages):
            try:
                produce(topic, message, partition=number, on_delivery=report)
            except (BufferError, KafkaException) as error:
                self._not_taken(pending, index, str(error))
                return

    def _refuse(self, pending: Pending, reason: str) -> None:
        pending.error = AppendError(reason, refused=True)
        pending.left = 0
        self._loop.call_soon(self._settle, pending.partition)

    def _not_taken(self, pending: Pending, index: int, reason: str) -> None:
        """The producer is full or has failed; nothing may be settled from inside `append`."""
        if index == 0:
            self._refuse(pending, reason)
        else:
            self._loop.call_soon(self._give_up_producer, self._producer, reason)

    def _settle(self, partition: int) -> None:
        """Tell what is settled, in the order of the appends."""
        queue = self._queues[partition]
        while queue and not queue[0].left:
            pending = queue.popleft()
            self._bytes_count -= pending.bytes_count
            if pending.error is None:
                self.down_reason = ""
                pending.done(partition, pending.first, pending.count, None)
            else:
                pending.done(partition, -1, pending.count, pending.error)

    def _give_up_producer(self, producer: Producer, reason: str) -> None:
        if producer is self._producer:
            self._give_up(reason)

    def _give_up(self, reason: str) -> None:
        """All in flight is of unknown fate; go on with a fresh producer."""
        _LOG.warning("the producer is given up: %s", reason)
        self._end_producer()
        error = AppendError(reason, refused=False)
        for partition, queue in self._queues.items():
            for pending in queue:
                if pending.left:
                    pending.error, pending.left = error, 0
                    self._unknown.add(partition)
        if not self.closed:
            self._begin()
        for partition in list(self._queues):
            self._settle(partition)

    def _end_producer(self) -> None:
        """Nothing of it may be sent any more; taking it apart may block, so a thread does it."""
        self._served.close()
        producer = self._producer
        goodbye = self._loop.run_in_executor(None, _purge, producer)
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)

    def restart(self, partition: int) -> None:
        if self._queues.get(partition):
            self._give_up("the partition begins anew")
        self._unknown.discard(partition)

    def oldest_ms(self) -> int:
        heads = [queue[0].since_ms for queue in self._queues.values() if queue]
        return self._clock_ms() - min(heads) if heads else 0

    async def close(self, patience_s: float) -> None:
        """Wait for what is in flight, then let the rest be unknown."""
        self.closed = True
        give_up = self._loop.time() + patience_s
        while any(self._queues.values()) and self._loop.time() < give_up:
            await asyncio.sleep(0.01)
        if any(self._queues.values()):
            self._give_up("the log was closed")
        else:
            self._end_producer()
        await asyncio.gather(*self._goodbyes)


def _purge(producer: Producer) -> None:
    producer.purge(in_queue=True, in_flight=True, blocking=True)
    producer.flush(0)  # its reports are for appends that are settled
