"""One idempotent producer, which is given up at its first error, and what it has in flight."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.kafka.errors import is_about_rights, reason_of
from orchestrator.kafka.serve import Served
from orchestrator.log.kafka.options import RETRY_BACKOFF_MS
from orchestrator.log.port import AppendError, Done

_REPORTS_S: Final = 0.1
MakeProducer = Callable[[Callable[[KafkaError], None]], Producer]
Told = Callable[[str], None]


class Generation:
    """A producer from its beginning to its end; used on the event loop only."""

    def __init__(self, make: MakeProducer, client_id: str, failed: Told, down: Told) -> None:
        self._failed = failed
        self._down = down
        self.over = False
        self.producer = make(self._client_error)
        self._served = Served(self.producer, client_id, self.serve, self._client_error)

    def serve(self) -> None:
        while not self.over and self.producer.poll(0):
            pass

    def _client_error(self, error: KafkaError) -> None:
        if self.over:
            return  # closed: reported by the thread that ends the client
        if error.fatal() or error.code() == KafkaError._FATAL:
            self._fail_soon(str(error.str()))
        elif error.code() == KafkaError._ALL_BROKERS_DOWN:
            self._down(str(error.str()))

    def _fail_soon(self, reason: str) -> None:
        """The delivery reports of failed messages come after a fatal error, and say more."""
        loop = asyncio.get_running_loop()
        loop.call_soon(self._served.serve)
        loop.call_later(_REPORTS_S, self._fail_late, reason)

    def _fail_late(self, reason: str) -> None:
        if not self.over:
            self._failed(reason)

    def end(self) -> "asyncio.Future[None]":
        """Nothing of it may be sent any more; settle what it has in flight before.

        Taking it apart may block, so a thread does it.
        """
        self.over = True
        self._served.close()
        return asyncio.get_running_loop().run_in_executor(None, _purge, self.producer)


def _was_sent_once(message: Message) -> bool:
    """Whether a message was sent once only: then an error of the broker is final. Otherwise an
    earlier try may have been stored."""
    latency_s = message.latency()
    # 0.8: retries come with jitter.
    return latency_s is not None and 0 <= latency_s < 0.8 * RETRY_BACKOFF_MS / 1000


def _purge(producer: Producer) -> None:
    producer.purge(in_queue=True, in_flight=True, blocking=True)
    # Its reports are for appends that are settled; that there are any is an error of the client.
    with suppress(KafkaException):
        producer.flush(0)


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
            reason = reason_of(error, f"write to topic {message.topic()}")
            if self.first < 0 and is_about_rights(error) and _was_sent_once(message):
                self.error, self.left = AppendError(reason, refused=True), 0
            self._fail(reason)
            return
        offset = message.offset()
        if offset is None:  # a duplicate: the broker no longer knows its offset
            self._fail("a message is in the log, but the broker does not say where")
            return
        if self.first < 0:
            self.first = offset
        elif offset != self.first + self.count - self.left:
            self._fail("another writer came between the messages of an append")
            return
        self.left -= 1
        if not self.left:
            self._settle(self.partition)
