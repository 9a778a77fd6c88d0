"""Following partitions of Kafka: one consumer for all of them, served on the event loop.

The broker holds a fetch back until there is much to send or `FETCH_WAIT_MS` have passed, since who
follows does not wait for anything: a leader learns of its own appends by their acknowledgement.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from itertools import groupby
from typing import Final

from confluent_kafka import Consumer, KafkaError, TopicPartition
from confluent_kafka import Message as KafkaMessage

from orchestrator.kafka.clients import OnError
from orchestrator.kafka.errors import OUT_OF_RANGE, is_about_rights, reason_of
from orchestrator.kafka.serve import CHUNK_COUNT, Served
from orchestrator.log.port import (
    Deliver,
    FollowEnd,
    FollowEnded,
    LogMessage,
    LogRefused,
    LogUnavailable,
    OffsetOutOfRange,
)

_LOG = logging.getLogger("perdure.log.kafka")
_LOOK_AGAIN_S: Final = 1.0
TopicPlace = tuple[str, int]
Bounds = Callable[[TopicPartition], Awaitable[tuple[int, int]]]


class KafkaSubscription:
    """One partition that is followed; see `Tail`."""

    def __init__(
        self, tail: "Tail", place: TopicPlace, deliver: Deliver, ended: FollowEnded
    ) -> None:
        self._tail = tail
        self.place = place
        self.deliver = deliver
        self.ended = ended
        self.is_over = False

    def cancel(self) -> None:
        if not self.is_over:
            self.is_over = True
            self._tail.leave(self)

    def end(self, why: FollowEnd) -> None:
        if not self.is_over:
            self.cancel()
            self.ended(why)


class Tail:
    """Every method is called on the event loop."""

    def __init__(self, make: Callable[[OnError], Consumer], client_id: str, bounds: Bounds) -> None:
        self._loop = asyncio.get_running_loop()
        self._bounds = bounds
        self._followed: dict[TopicPlace, KafkaSubscription] = {}
        self._asking: set[asyncio.Task[None]] = set()
        self._unreadable: set[str] = set()  # topics whose missing right was logged
        self._closed = False
        self._consumer = make(self._client_error)
        self._served = Served(self._consumer, client_id, self.serve, self._client_error)

    def follow(
        self, place: TopicPlace, offset: int, deliver: Deliver, ended: FollowEnded
    ) -> KafkaSubscription:
        assert place not in self._followed, f"{place} is followed already"
        following = self._followed[place] = KafkaSubscription(self, place, deliver, ended)
        self._consumer.incremental_assign([TopicPartition(*place, offset)])
        return following

    def leave(self, following: KafkaSubscription) -> None:
        if self._followed.get(following.place) is following:
            del self._followed[following.place]
            if not self._closed:
                self._consumer.incremental_unassign([TopicPartition(*following.place)])

    def serve(self) -> None:
        """A chunk; more of it once the loop had its turn."""
        if self._closed:
            return
        polled = self._consumer.consume(CHUNK_COUNT, 0)
        for place, messages in groupby(polled, _place_of):
            self._take(place, list(messages))
        if polled:
            self._served.serve_again()

    def _take(self, place: TopicPlace, polled: list[KafkaMessage]) -> None:
        following = self._followed.get(place)
        if following is None:  # fetched before it was cancelled
            return
        chunk: list[LogMessage] = []
        for message in polled:
            error = message.error()
            if error is None:
                offset = message.offset()
                assert offset is not None, "a message that was read has an offset"
                chunk.append(LogMessage(offset, message.value() or b""))
            elif error.code() in OUT_OF_RANGE:
                self._ask(following)
            elif is_about_rights(error):
                self._log_once(following.place[0], error)
            else:
                self._client_error(error)
        if chunk:
            self._unreadable.discard(following.place[0])
            following.deliver(chunk)

    def _log_once(self, topic: str, error: KafkaError) -> None:
        """A right that is revoked may come back: librdkafka goes on asking."""
        if topic not in self._unreadable:
            self._unreadable.add(topic)
            _LOG.error("%s", reason_of(error, f"read topic {topic}"))

    def _ask(self, following: KafkaSubscription) -> None:
        """Its offset is not in the log: ask for the bounds, and end with OffsetOutOfRange."""
        task = self._loop.create_task(self._end_out_of_range(following))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)

    async def _end_out_of_range(self, following: KafkaSubscription) -> None:
        while not following.is_over:
            try:
                bounds = await self._bounds(TopicPartition(*following.place))
            except LogUnavailable:
                await asyncio.sleep(_LOOK_AGAIN_S)
                continue
            except LogRefused as gone:
                following.end(gone)
                return
            following.end(OffsetOutOfRange(*bounds))

    def _client_error(self, error: KafkaError) -> None:
        """librdkafka reconnects by itself; `presence.py` looks whether the log still exists."""
        _LOG.debug("following the log: %s", error)

    def end_all(self, why: FollowEnd) -> None:
        for following in list(self._followed.values()):
            following.end(why)

    async def close(self) -> None:
        self.end_all(LogUnavailable("the log is closed"))
        self._closed = True
        self._served.close()
        for task in list(self._asking):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(self._consumer.close)


def _place_of(message: KafkaMessage) -> TopicPlace:
    return message.topic() or "", message.partition() or 0
