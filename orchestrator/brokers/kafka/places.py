"""One consumer of many places, each at most once, by `assign`: no group is joined."""

import asyncio
import logging
from collections.abc import Sequence
from itertools import groupby
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from orchestrator.brokers.kafka.configs import ReaderOptions, places_config
from orchestrator.brokers.kafka.reading import KafkaReading
from orchestrator.brokers.reader_port import ReadProblem, ReadTrouble
from orchestrator.kafka.clients import make_consumer
from orchestrator.kafka.errors import REQUEST_S, text_of
from orchestrator.kafka.serve import Served
from orchestrator.model.operating import OperatingError

CHUNK_COUNT: Final = 200
"""Taken by one turn of the loop."""

_MAKE_AGAIN_S: Final = 2.0
_OUT_OF_RANGE: Final = (
    KafkaError._AUTO_OFFSET_RESET,
    KafkaError.OFFSET_OUT_OF_RANGE,
    KafkaError._LOG_TRUNCATION,
)
_RIGHTS: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
)
_NOT_THERE: Final = (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
_LOG = logging.getLogger("perdure.brokers")
_At = tuple[str, int]


class PlacesConsumer:
    """The client is made in a thread, since making it may read files; places wait for it."""

    def __init__(self, options: ReaderOptions, number: int) -> None:
        self._options = options
        self._share_bytes = options.budget.take()
        self._loop = asyncio.get_running_loop()
        self.readings: dict[_At, KafkaReading] = {}
        self._added: list[KafkaReading] = []  # to be assigned together
        self._client_id = ""
        self._consumer: Consumer | None = None
        self._served: Served | None = None
        self._is_due = False
        self._is_closed = False
        self._tasks = {self._loop.create_task(self._make(), name=f"intake consumer {number}")}

    async def _make(self) -> None:
        while not self._is_closed:
            try:
                self._consumer = await asyncio.to_thread(self._made)
                break
            except OperatingError as refused:
                for reading in list(self.readings.values()):
                    reading.tell(ReadProblem(ReadTrouble.NO_ANSWER, str(refused)))
                await asyncio.sleep(_MAKE_AGAIN_S)
        if self._consumer is not None and not self._is_closed:
            self._served = Served(self._consumer, self._client_id, self._serve, self._noted)
            self._assign()

    def _made(self) -> Consumer:
        config = places_config(self._options, self._share_bytes)
        self._client_id = config["client.id"]
        return make_consumer(config, self._noted)

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._options.budget.give_back(self._share_bytes)
        if self._served is not None:
            self._served.close()
        for task in self._tasks:
            task.cancel()
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            self._loop.run_in_executor(None, consumer.close)

    def add(self, reading: KafkaReading) -> None:
        self.readings[_at(reading)] = reading
        self._added.append(reading)
        if len(self._added) == 1:
            self._loop.call_soon(self._assign)

    def _assign(self) -> None:
        if self._consumer is None or self._is_closed:
            return
        added, self._added = self._added, []
        places = [one for one in added if self.readings.get(_at(one)) is one]
        if places:
            self._consumer.incremental_assign(
                [
                    TopicPartition(*_at(one), one.position, leader_epoch=one.leader_epoch)
                    for one in places
                ]
            )

    def remove(self, reading: KafkaReading) -> None:
        """What was fetched of it is dropped."""
        del self.readings[_at(reading)]
        if reading in self._added:
            self._added.remove(reading)
        elif self._consumer is not None and not self._is_closed:
            self._consumer.incremental_unassign([TopicPartition(*_at(reading))])

    def _serve(self) -> None:
        """A chunk; more of it once the loop had its turn."""
        self._is_due = False
        if self._is_closed or self._consumer is None:
            return
        polled = self._consumer.consume(CHUNK_COUNT, 0)
        before = dict(self.readings)  # a place that is assigned anew meanwhile is another reading
        moves = {at: one.moves for at, one in before.items()}
        for at, messages in groupby(polled, _at_of):
            reading = self.readings.get(at)
            if reading is not None and before.get(at) is reading and moves[at] == reading.moves:
                self._take(reading, list(messages))
        if polled and not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._serve)

    def _take(self, reading: KafkaReading, polled: Sequence[Message]) -> None:
        start = 0
        moves = reading.moves
        for index, message in enumerate(polled):
            error = message.error()
            if error is None:
                continue
            if start < index:
                reading.taken(polled[start:index])
            start = index + 1
            if reading.is_over or reading.moves != moves:
                return
            self._judge(reading, error, message.offset())
        if start < len(polled) and not reading.is_over and reading.moves == moves:
            reading.taken(polled[start:])

    def _judge(self, reading: KafkaReading, error: KafkaError, offset: int | None) -> None:
        code = error.code()
        if code == KafkaError._PARTITION_EOF:
            reading.ended(offset or 0)
        elif code in _OUT_OF_RANGE:
            self._spawn_bounds(reading)
        elif code in _NOT_THERE:
            reading.look()
        elif code in _RIGHTS:
            reading.refused(ReadProblem(ReadTrouble.NO_RIGHT, str(error.str())))
        else:
            reading.tell(ReadProblem(ReadTrouble.NO_ANSWER, str(error.str())))

    def _spawn_bounds(self, reading: KafkaReading) -> None:
        task = self._loop.create_task(self._stop_out_of_range(reading, reading.moves))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_out_of_range(self, reading: KafkaReading, moves: int) -> None:
        """Stop a reading whose position is not in the topic, with the offsets there are."""
        consumer, place = self._consumer, TopicPartition(*_at(reading))
        assert consumer is not None
        while not reading.is_over and reading.moves == moves and not self._is_closed:
            try:
                low, high = await asyncio.to_thread(
                    consumer.get_watermark_offsets, place, timeout=REQUEST_S, cached=False
                )
            except KafkaException as raised:
                reading.tell(ReadProblem(ReadTrouble.NO_ANSWER, text_of(raised)))
                await asyncio.sleep(1)
                continue
            if reading.moves == moves:
                reading.out_of_range(low, high)
            return

    def _noted(self, error: KafkaError) -> None:
        """Errors of the client as a whole: librdkafka reconnects by itself."""
        _LOG.debug("reading topics of users: %s", error)


def _at(reading: KafkaReading) -> _At:
    return reading.place.topic, reading.place.partition


def _at_of(message: Message) -> _At:
    return message.topic() or "", message.partition() or 0
