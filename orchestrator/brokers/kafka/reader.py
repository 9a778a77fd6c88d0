"""The `TopicReader` over Kafka: one consumer for all places, served on the event loop.

A consumer reads a place once; where several subscriptions read the same one, the second and later
go to further consumers. Nothing polls: the consumer's queue wakes the loop.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from orchestrator.brokers.kafka.configs import ReaderOptions
from orchestrator.brokers.kafka.places import PlacesConsumer
from orchestrator.brokers.kafka.reading import KafkaReading
from orchestrator.brokers.reader_port import (
    OnBatch,
    OnProblem,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
)

TopicIdsFound = Mapping[str, bytes | str]
"""Ids of topics that exist; a text says why one may not be known."""
OnTopicIds = Callable[[TopicIdsFound | str], None]
TopicIds = Callable[[Sequence[str], OnTopicIds], None]
"""Asks for the ids of some topics; a text says why there is no answer."""

ASK_AGAIN_S = 0.5
REFUSED_S = 3.0  # a right that was revoked may be back
LOOK_S = 15.0
"""Of a topic that was deleted a consumer says nothing: so all are asked for now and then. The
intake, which asks more often, closes those whose topics are gone."""


class KafkaTopicReader:
    """Made and used on the event loop."""

    def __init__(self, options: ReaderOptions, topic_ids: TopicIds) -> None:
        self._options = options
        self._topic_ids = topic_ids
        self._loop = asyncio.get_running_loop()
        self._consumers: list[PlacesConsumer] = []
        self._of: dict[KafkaReading, PlacesConsumer] = {}
        self._unsure: set[KafkaReading] = set()  # to be asked for with the next question
        self._refused: set[KafkaReading] = set()  # whose topics may not be asked for now
        self._asks_refused: asyncio.TimerHandle | None = None
        self._is_asking = False
        self._is_closed = False
        self.time_s = self._loop.time
        self._looks = self._loop.call_later(LOOK_S, self._look)

    def open(
        self,
        place: ReadPlace,
        offset: int,
        leader_epoch: int,
        on_batch: OnBatch,
        on_problem: OnProblem,
    ) -> KafkaReading:
        return KafkaReading(self, place, offset, leader_epoch, on_batch, on_problem)

    def close(self) -> None:
        self._is_closed = True
        self._looks.cancel()
        if self._asks_refused is not None:
            self._asks_refused.cancel()
        for reading in list(self._of):
            reading.close()
        self._unsure.clear()
        self._refused.clear()
        for consumer in self._consumers:
            consumer.close()

    # for its readings

    def soon(self, call: Callable[[], None]) -> None:
        self._loop.call_soon(call)

    def assign(self, reading: KafkaReading) -> None:
        at = reading.place.topic, reading.place.partition
        free = [one for one in self._consumers if at not in one.readings]
        if not free:
            free = [PlacesConsumer(self._options, len(self._consumers))]
            self._consumers += free
        self._of[reading] = free[0]
        free[0].add(reading)

    def unassign(self, reading: KafkaReading) -> None:
        self._of.pop(reading).remove(reading)

    def leave(self, reading: KafkaReading) -> None:
        self._unsure.discard(reading)
        self._refused.discard(reading)

    def verify(self, reading: KafkaReading) -> None:
        self._unsure.add(reading)
        if not self._is_asking and not self._is_closed:
            self._is_asking = True
            self._loop.call_soon(self._ask)

    def verify_later(self, reading: KafkaReading) -> None:
        self._refused.add(reading)
        if self._asks_refused is None and not self._is_closed:
            self._asks_refused = self._loop.call_later(REFUSED_S, self._ask_refused)

    def _look(self) -> None:
        self._looks = self._loop.call_later(LOOK_S, self._look)
        for reading in self._of:
            reading.look()

    def _ask_refused(self) -> None:
        self._asks_refused = None
        refused = list(self._refused)
        self._refused.clear()
        for reading in refused:
            self.verify(reading)

    def _ask(self) -> None:
        """One question for all that wait for one, one at a time."""
        asking = [one for one in self._unsure if not one.is_over]
        self._unsure.clear()
        if not asking or self._is_closed:
            self._is_asking = False
            return
        names = sorted({one.place.topic for one in asking})
        self._topic_ids(names, partial(self._answered, asking, self.time_s()))

    def _answered(
        self, asking: list[KafkaReading], asked_s: float, found: TopicIdsFound | str
    ) -> None:
        self._is_asking = False
        if self._is_closed:
            return
        for reading in asking:
            if reading.is_over:
                continue
            if isinstance(found, str):
                reading.doubt(ReadProblem(ReadTrouble.NO_ANSWER, found))
                self._unsure.add(reading)
                continue
            topic_id = found.get(reading.place.topic)
            if isinstance(topic_id, str):
                reading.doubt(ReadProblem(ReadTrouble.NO_RIGHT, topic_id))
                self.verify_later(reading)
            elif topic_id == reading.place.topic_id:
                reading.verified(asked_s)
            else:
                reading.gone(_gone(reading.place, reading.place.topic in found))
        if self._unsure and not self._is_asking:
            self._is_asking = True
            delay_s = ASK_AGAIN_S if isinstance(found, str) else 0
            self._loop.call_later(delay_s, self._ask)


def _gone(place: ReadPlace, is_another: bool) -> ReadProblem:
    what = "was deleted, and another one made" if is_another else "is gone"
    return ReadProblem(ReadTrouble.TOPIC_GONE, f"topic {place.topic} {what}")
