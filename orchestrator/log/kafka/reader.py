"""Reading a partition of Kafka from an offset to its end, in a thread, chunk by chunk."""

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from orchestrator.kafka.errors import text_of
from orchestrator.log.port import Deliver, LogMessage, LogUnavailable, OffsetOutOfRange, Rest

CHUNK_COUNT: Final = 500
CHUNK_BYTES: Final = 256 << 10  # some thousand small records: tens of milliseconds to apply
SILENCE_S: Final = 15.0
"""A read that gets nothing for so long has failed; its caller decides when to ask again."""

_IDLE_MAX: Final = 1
_PASSING: Final = {
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._TRANSPORT,
    KafkaError._TIMED_OUT,
    KafkaError._RESOLVE,
}


class Readers:
    """Consumers outside any group; one is kept for the next read."""

    def __init__(self, make: Callable[[], Consumer]) -> None:
        self._make = make
        self._idle: list[Consumer] = []
        self._lock = threading.Lock()
        self._closed = False

    def take(self) -> Consumer:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._make()

    def give_back(self, consumer: Consumer) -> None:
        with self._lock:
            if len(self._idle) < _IDLE_MAX and not self._closed:
                self._idle.append(consumer)
                return
        consumer.close()

    def serve(self) -> None:
        """Idle ones have no messages, but may have something to log."""
        with self._lock:
            for consumer in self._idle:
                consumer.poll(0)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for consumer in idle:
            consumer.close()

    def bounds(self, place: TopicPartition) -> tuple[int, int]:
        """Asked of the broker; raises `LogUnavailable`."""
        consumer = self.take()
        try:
            low, high = consumer.get_watermark_offsets(place, timeout=SILENCE_S, cached=False)
        except KafkaException as raised:
            raise LogUnavailable(f"Kafka cannot be read: {text_of(raised)}") from raised
        finally:
            self.give_back(consumer)
        return low, high


class TopicRead:
    """One read: a thread fetches, the event loop takes a chunk before the next is fetched."""

    def __init__(
        self,
        readers: Readers,
        topic: str,
        partition: int,
        offset: int,
        deliver: Deliver,
        turn: asyncio.Lock,
        rest: Rest,
    ) -> None:
        self._readers = readers
        self._place = TopicPartition(topic, partition, offset)
        self._next = offset
        self._deliver = deliver
        self._rest = rest
        self._turn = turn  # one chunk a round of the loop, however many read at once
        self._loop = asyncio.get_running_loop()
        self._cancelled = False

    def cancel(self) -> None:
        self._cancelled = True

    def run(self) -> int:
        """In the thread; returns the offset to go on from."""
        consumer = self._readers.take()
        try:
            consumer.assign([self._place])
            return self._to_end(consumer)
        except KafkaException as raised:
            raise LogUnavailable(f"Kafka cannot be read: {text_of(raised)}") from raised
        finally:
            consumer.unassign()
            self._readers.give_back(consumer)

    def _to_end(self, consumer: Consumer) -> int:
        heard = time.monotonic()
        while not self._cancelled:
            message = consumer.poll(0.5)
            if message is None:
                if time.monotonic() - heard > SILENCE_S:
                    raise LogUnavailable("Kafka cannot be read: no broker answers")
                continue
            heard = time.monotonic()
            # consume() waits until it has all it was asked for: so ask only for what is there.
            if self._take([message, *consumer.consume(CHUNK_COUNT, 0)]):
                return self._next
        raise LogUnavailable("the read was given up")

    def _take(self, polled: list[KafkaMessage]) -> bool:
        """Deliver what came; True at the end of the partition."""
        chunk: list[LogMessage] = []
        size = 0
        for message in polled:
            error = message.error()
            offset = message.offset()
            if error is not None:
                self._hand_over(chunk)
                if error.code() == KafkaError._PARTITION_EOF:
                    self._next = max(self._next, offset or 0)
                    return True
                self._judge(error)
                return False
            assert offset is not None, "a message that was read has an offset"
            value = message.value() or b""
            chunk.append(LogMessage(offset, value))
            size += len(value)
            if size >= CHUNK_BYTES:
                self._hand_over(chunk)
                chunk, size = [], 0
        self._hand_over(chunk)
        return False

    def _judge(self, error: KafkaError) -> None:
        code = error.code()
        if code in _PASSING:
            return
        if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):
            raise OffsetOutOfRange(*self._readers.bounds(self._place))
        raise LogUnavailable(f"Kafka cannot be read: {error.str()}")

    def _hand_over(self, chunk: list[LogMessage]) -> None:
        if not chunk:
            return
        self._next = chunk[-1].offset + 1
        asyncio.run_coroutine_threadsafe(self._on_loop(chunk), self._loop).result()

    async def _on_loop(self, chunk: list[LogMessage]) -> None:
        async with self._turn:
            if not self._cancelled:
                self._deliver(chunk)
                await asyncio.sleep(0)
        await self._rest()
