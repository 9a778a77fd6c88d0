"""Appending to Kafka: an idempotent producer that is given up at its first error.

An idempotent producer can append message n + 1 after n has failed. So when anything fails,
everything in flight is of unknown fate and the producer goes; the partitions concerned take no
appends until `restart`, the others go on with a fresh producer.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from confluent_kafka import KafkaException

from orchestrator.log.kafka.options import IN_FLIGHT_BYTES_MAX
from orchestrator.log.kafka.producer import Generation, MakeProducer, Pending
from orchestrator.log.port import AppendError, Batch, ClockMs, Done

_LOG = logging.getLogger("perdure.log.kafka")


class PlaceOf(Protocol):
    def __call__(self, partition: int) -> tuple[str, int]: ...


class KafkaWriter:
    """Appends of this process; every method is called on the event loop."""

    def __init__(
        self, make: MakeProducer, client_id: str, place: PlaceOf, clock_ms: ClockMs
    ) -> None:
        self._make = make
        self._client_id = client_id
        self._place = place
        self._clock_ms = clock_ms
        self._loop = asyncio.get_running_loop()
        self._queues: dict[int, deque[Pending]] = {}
        self._unknown: set[int] = set()
        self._ends: dict[int, int] = {}  # behind what was acknowledged, by partition
        self._bytes_count = 0
        self._goodbyes: set[asyncio.Future[None]] = set()
        self._said = ""  # why the last producer was given up, until an append goes through
        self.refused_reason = ""  # what an operator must mend before an append is possible
        self.down_reason = ""  # why no broker can be reached
        self.closed = False
        self._current = self._begin()

    def _begin(self) -> Generation:
        """A fresh producer; at once, since getting its id from the broker takes a while."""
        return Generation(self._make, self._client_id, self.give_up, self._note_down)

    def _note_down(self, reason: str) -> None:
        self.down_reason = reason

    def append(self, batch: Batch, done: Done, refused: str = "") -> None:
        for partition, messages in batch:
            self._append(partition, messages, done, refused or self._why_not(partition))

    def _why_not(self, partition: int) -> str:
        if self.closed:
            return "the log is closed"
        if partition in self._unknown:
            return "an earlier append is of unknown fate"
        if self.refused_reason:  # until the rights are verified again
            return self.refused_reason
        if self._bytes_count > IN_FLIGHT_BYTES_MAX:
            return "too much is waiting for the brokers"
        return ""

    def _append(self, partition: int, messages: Sequence[bytes], done: Done, refused: str) -> None:
        pending = Pending(partition, messages, done, self._clock_ms(), self._settle, self.give_up)
        self._queues.setdefault(partition, deque()).append(pending)
        self._bytes_count += pending.bytes_count
        if refused:
            self._refuse(pending, refused)
            return
        topic, number = self._place(partition)
        produce, report = self._current.producer.produce, pending.delivered
        for index, message in enumerate(messages):
            try:
                produce(topic, message, partition=number, on_delivery=report)
            except (BufferError, KafkaException) as error:
                self._refuse_later(pending, index, str(error))
                return

    def _refuse(self, pending: Pending, reason: str) -> None:
        pending.error = AppendError(reason, refused=True)
        pending.left = 0
        self._loop.call_soon(self._settle, pending.partition)

    def _refuse_later(self, pending: Pending, index: int, reason: str) -> None:
        """The producer is full or has failed; nothing may be settled from inside `append`."""
        if index == 0:
            self._refuse(pending, reason)
        else:
            self._loop.call_soon(self._give_up_one, self._current, reason)

    def _settle(self, partition: int) -> None:
        """Tell what is settled, in the order of the appends."""
        queue = self._queues[partition]
        while queue and not queue[0].left:
            pending = queue.popleft()
            self._bytes_count -= pending.bytes_count
            if pending.error is None and pending.first < self._ends.get(partition, 0):
                # The log has lost its tail, or is another one: reading it finds out.
                self._unknown.add(partition)
                pending.error = AppendError("an earlier offset was given again", refused=False)
            if pending.error is None:
                self.down_reason = self.refused_reason = self._said = ""
                self._ends[partition] = pending.first + pending.count
                pending.done(partition, pending.first, pending.count, None)
            else:
                pending.done(partition, -1, pending.count, pending.error)

    def _give_up_one(self, generation: Generation, reason: str) -> None:
        if not generation.over:
            self.give_up(reason)

    def give_up(self, reason: str) -> None:
        """All in flight is of unknown fate; go on with a fresh producer."""
        if reason != self._said:  # logged once, and again if appends succeeded in between
            needs_a_person = reason.startswith("PD")
            level = logging.ERROR if needs_a_person else logging.WARNING
            _LOG.log(level, "the producer is given up: %s", reason)
            self._said = reason
            self.refused_reason = reason if needs_a_person else ""
        error = AppendError(reason, refused=False)
        for partition, queue in self._queues.items():
            for pending in queue:
                if pending.left:
                    pending.error, pending.left = error, 0
                    self._unknown.add(partition)
        self._end_current()
        if not self.closed:
            self._current = self._begin()
        for partition in list(self._queues):
            self._settle(partition)

    def _end_current(self) -> None:
        goodbye = self._current.end()
        self._goodbyes.add(goodbye)
        goodbye.add_done_callback(self._goodbyes.discard)

    def restart(self, partition: int) -> None:
        if self._queues.get(partition):
            self.give_up("the partition begins anew")
        self._unknown.discard(partition)
        self._ends.pop(partition, None)

    def slow(self, age_ms: int) -> set[int]:
        """Partitions whose oldest append has been waiting for so long."""
        since_ms = self._clock_ms() - age_ms
        queues = self._queues.items()
        return {number for number, queue in queues if queue and queue[0].since_ms <= since_ms}

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
            self.give_up("the log was closed")
        else:
            self._end_current()
        await asyncio.gather(*self._goodbyes)
