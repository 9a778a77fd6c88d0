"""One consumer of many places, each at most once, by `assign`: no group is joined.

Assigning waits for librdkafka's own thread, which may take long on a busy machine: it is done in
a thread, in the order in which it was asked for, and so is all else that blocks.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import groupby
from typing import Any, Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from orchestrator.brokers.kafka.configs import ReaderOptions, places_config
from orchestrator.brokers.kafka.reading import KafkaReading
from orchestrator.brokers.reader_port import ReadProblem, ReadTrouble
from orchestrator.kafka.clients import make_consumer
from orchestrator.kafka.errors import NO_TOPIC, OUT_OF_RANGE, REQUEST_S, text_of
from orchestrator.kafka.serve import CHUNK_COUNT, Served
from orchestrator.model.operating import OperatingError

_MAKE_AGAIN_S: Final = 2.0
_OUT_OF_RANGE: Final = (*OUT_OF_RANGE, KafkaError._LOG_TRUNCATION)
_RIGHTS: Final = (
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
)
_LOG = logging.getLogger("perdure.brokers")
_At = tuple[str, int]
T = TypeVar("T")


class PlacesConsumer:
    def __init__(self, options: ReaderOptions, number: int) -> None:
        self._options = options
        self._share_bytes = options.budget.take()
        self._loop = asyncio.get_running_loop()
        self.readings: dict[_At, KafkaReading] = {}
        self._added: list[KafkaReading] = []  # to be assigned together
        self._removed: list[_At] = []  # to be unassigned before that
        self._assigned: dict[_At, KafkaReading] = {}  # whose messages may come
        self._is_changing = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"intake-{number}")
        self._made_consumer: Consumer | None = None  # the thread's
        self._client_id = ""
        self._consumer: Consumer | None = None
        self._served: Served | None = None
        self._is_closed = False
        self._tasks = {self._loop.create_task(self._make(), name=f"intake consumer {number}")}

    async def _make(self) -> None:
        while not self._is_closed:
            try:
                self._consumer = await self._in_thread(self._make_consumer)
                break
            except OperatingError as refused:
                for reading in list(self.readings.values()):
                    reading.tell(ReadProblem(ReadTrouble.NO_ANSWER, str(refused)))
                await asyncio.sleep(_MAKE_AGAIN_S)
        if self._consumer is not None and not self._is_closed:
            self._served = Served(self._consumer, self._client_id, self._serve, self._noted)
            self._change_soon()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._thread, call)

    def _make_consumer(self) -> Consumer:
        config = places_config(self._options, self._share_bytes)
        self._client_id = config["client.id"]
        self._made_consumer = make_consumer(config, self._noted)
        return self._made_consumer

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._options.budget.give_back(self._share_bytes)
        if self._served is not None:
            self._served.close()
        for task in self._tasks:
            task.cancel()
        self._consumer = None
        self._thread.submit(self._end)
        self._thread.shutdown(wait=False)

    def _end(self) -> None:
        """After all that the thread had to do."""
        if self._made_consumer is not None:
            self._made_consumer.close()

    def add(self, reading: KafkaReading) -> None:
        self.readings[_at(reading)] = reading
        self._added.append(reading)
        self._change_soon()

    def remove(self, reading: KafkaReading) -> None:
        """What was fetched of it is dropped."""
        at = _at(reading)
        del self.readings[at]
        if reading in self._added:
            self._added.remove(reading)
        else:
            self._assigned.pop(at, None)
            self._removed.append(at)
            self._change_soon()

    def _change_soon(self) -> None:
        if not (self._is_changing or self._is_closed or self._consumer is None):
            self._is_changing = True
            self._spawn(self._change(self._consumer))

    async def _change(self, consumer: Consumer) -> None:
        """Assign what was added and unassign what was removed, several at once."""
        try:
            await asyncio.sleep(0)  # all that comes in this turn of the loop
            while self._removed or self._added:
                gone = [TopicPartition(*at) for at in self._removed]
                self._removed.clear()
                if gone:
                    await self._in_thread(partial(consumer.incremental_unassign, gone))
                    continue  # more may have been removed meanwhile
                places = [_place_of(one) for one in self._added]
                self._assigned.update({_at(one): one for one in self._added})
                self._added.clear()
                await self._in_thread(partial(consumer.incremental_assign, places))
        finally:
            self._is_changing = False

    def _serve(self) -> None:
        """A chunk; more of it once the loop had its turn."""
        if self._is_closed or self._consumer is None:
            return
        polled = self._consumer.consume(CHUNK_COUNT, 0)
        before = dict(self._assigned)  # a place that is assigned anew meanwhile is another reading
        moves = {at: one.moves for at, one in before.items()}
        for at, messages in groupby(polled, _at_of):
            reading = self._assigned.get(at)
            if reading is not None and before.get(at) is reading and moves[at] == reading.moves:
                try:
                    self._take(reading, list(messages))
                except Exception as error:  # noqa: BLE001 what came of other places would be lost
                    reading.failed(error)
        if polled and self._served is not None:
            self._served.serve_again()

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
            reading.ended(offset or 0, self._epoch_at(reading, offset or 0))
        elif code in _OUT_OF_RANGE:
            self._spawn_bounds(reading)
        elif code in NO_TOPIC:
            reading.look()
        elif code in _RIGHTS:
            reading.refused(ReadProblem(ReadTrouble.NO_RIGHT, str(error.str())))
        else:
            reading.tell(ReadProblem(ReadTrouble.NO_ANSWER, str(error.str())))

    def _epoch_at(self, reading: KafkaReading, offset: int) -> int:
        """The leader epoch of what is right before `offset`, which may be the end of a transaction
        and no record; -1 if the consumer is elsewhere by now. Asks no broker."""
        assert self._consumer is not None
        (at,) = self._consumer.position([TopicPartition(*_at(reading))])
        return at.leader_epoch if at.offset == offset and at.leader_epoch is not None else -1

    def _spawn_bounds(self, reading: KafkaReading) -> None:
        self._spawn(self._stop_out_of_range(reading, reading.moves))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stop_out_of_range(self, reading: KafkaReading, moves: int) -> None:
        """Stop a reading whose position is not in the topic, with the offsets there are."""
        consumer, place = self._consumer, TopicPartition(*_at(reading))
        assert consumer is not None
        while not reading.is_over and reading.moves == moves and not self._is_closed:
            try:
                low, high = await self._in_thread(
                    partial(consumer.get_watermark_offsets, place, timeout=REQUEST_S, cached=False)
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


def _place_of(reading: KafkaReading) -> TopicPartition:
    return TopicPartition(*_at(reading), reading.position, leader_epoch=reading.leader_epoch)


def _at(reading: KafkaReading) -> _At:
    return reading.place.topic, reading.place.partition


def _at_of(message: Message) -> _At:
    return message.topic() or "", message.partition() or 0
