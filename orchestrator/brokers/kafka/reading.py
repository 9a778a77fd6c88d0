"""One place of a topic that is read: its position, and what must be verified before it is given.

librdkafka goes on reading, without a word, from another topic that has the name of one that was
deleted. Any fetch that meets the deletion is followed by half a second without one; so what comes
after a silence is given only once the topic is known to be the same. Everything is called on the
event loop.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import Final, Protocol

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from orchestrator.brokers.reader_port import (
    InRecord,
    OnBatch,
    OnProblem,
    ReadBatch,
    ReadPlace,
    ReadProblem,
    ReadTrouble,
)
from orchestrator.model.topics import RecordHeaders

SILENCE_S: Final = 0.2
"""Below librdkafka's `fetch.error.backoff.ms`."""
_SEEK: Final = "seek says where it goes on"
_LOG = logging.getLogger("perdure.brokers")


class ReadingHost(Protocol):
    """What a reading needs of the consumer that it is one place of."""

    def time_s(self) -> float: ...

    def verify(self, reading: "KafkaReading") -> None:
        """Ask whether its topic is the same; then `verified` or `stop` is called."""
        ...

    def verify_later(self, reading: "KafkaReading") -> None:
        """The same in a few seconds."""
        ...

    def assign(self, reading: "KafkaReading") -> None: ...

    def unassign(self, reading: "KafkaReading") -> None: ...

    def leave(self, reading: "KafkaReading") -> None: ...

    def soon(self, call: Callable[[], None]) -> None: ...


class KafkaReading:
    """The `TopicReading` port; it is assigned once its topic is verified."""

    def __init__(
        self,
        reader: ReadingHost,
        place: ReadPlace,
        offset: int,
        leader_epoch: int,
        on_batch: OnBatch,
        on_problem: OnProblem,
    ) -> None:
        self._reader = reader
        self.place = place
        self.position = offset
        self.leader_epoch = leader_epoch
        self._on_batch = on_batch
        self._on_problem = on_problem
        self._sure_s = 0.0  # when the topic was last known to be the same
        self._held: deque[tuple[float, ReadBatch]] = deque()  # with the time it came
        self.moves = 0  # seeks and restarts so far: what was fetched before the last one is dropped
        self._told: ReadTrouble | None = None  # until something is read again
        self._is_doubted = False  # told because its topic could not be verified
        self.is_assigned = False
        self.is_paused = False
        self.is_over = False
        self._is_stopped = False
        self._is_asking = False
        self._verify()

    # the port

    def pause(self) -> None:
        if not self.is_paused and not self.is_over:
            self.is_paused = True
            self.moves += 1
            self._leave_consumer()

    def resume(self) -> None:
        """Assigned anew where it stands: librdkafka's own pause and resume may lose a partition
        that is being fetched, for ever."""
        if not self.is_paused or self.is_over:
            return
        self.is_paused = False
        if not self._is_stopped:
            if self._reader.time_s() - self._sure_s > SILENCE_S:
                self._verify()
            elif not self._is_asking:
                self._assign()
        self._reader.soon(self._give)

    def _assign(self) -> None:
        if not self.is_assigned and not self.is_paused:
            self.is_assigned = True
            self._reader.assign(self)

    def seek(self, offset: int, leader_epoch: int) -> None:
        if self.is_over:
            return
        self.moves += 1
        self.position, self.leader_epoch = offset, leader_epoch
        self._held.clear()
        self._leave_consumer()
        self._is_stopped = False
        self._verify()

    def close(self) -> None:
        if not self.is_over:
            self.is_over = True
            self.moves += 1
            self._held.clear()
            self._leave_consumer()
            self._reader.leave(self)

    def _leave_consumer(self) -> None:
        if self.is_assigned:
            self.is_assigned = False
            self._reader.unassign(self)

    # of the consumer

    def taken(self, polled: Sequence[Message]) -> None:
        """Messages in order, none of them an error."""
        records = tuple([record_of(message) for message in polled])
        self._take(records[-1].offset + 1, polled[-1].leader_epoch(), records)

    def ended(self, offset: int, leader_epoch: int) -> None:
        """The end of the partition was reached: everything below `offset` has been taken."""
        if self._told is not None:
            self._recover()
        if offset > self.position:
            self._take(offset, leader_epoch, ())

    def _recover(self) -> None:
        self._is_doubted, self._told = False, None
        self._on_problem(None)

    def _take(self, upto: int, leader_epoch: int | None, records: tuple[InRecord, ...]) -> None:
        # Never that of an earlier record: its leader had no offset that far, so that the brokers
        # would say that the tail was lost.
        epoch = -1 if leader_epoch is None else leader_epoch
        self._held.append((self._reader.time_s(), ReadBatch(self.position, upto, epoch, records)))
        self.position, self.leader_epoch = upto, epoch
        self._give()

    def look(self) -> None:
        """Ask whether the topic still exists."""
        self._reader.verify(self)

    def out_of_range(self, low: int, high: int) -> None:
        at = self.position
        if at < low:
            text = f"begins at {low} now: offset {at} is gone; resume --past-gap goes on at {low}"
        elif at > high:
            text = f"ends at {high} now: offset {at} is gone; {_SEEK}"
        else:
            text = f"has lost records below offset {at}, and others took their places; {_SEEK}"
        where = f"{self.place.topic}/{self.place.partition}"
        self.stop(ReadProblem(ReadTrouble.OUT_OF_RANGE, f"{where} {text}", low, high))

    def verified(self, asked_s: float) -> None:
        """The topic was the same at `asked_s`, when the question was sent."""
        self._is_asking = False
        if self.is_over or self._is_stopped:
            return
        self._sure_s = asked_s
        if self._told is ReadTrouble.NO_RIGHT:
            # Only what is read, or the end of it, shows that the right is back.
            self.moves += 1
            self._leave_consumer()
        elif self._is_doubted:
            self._recover()
        self._assign()
        self._give()

    def _give(self) -> None:
        """Hand on the batches that are known to be of this topic. The receiver may pause, seek or
        close."""
        while self._held and not self.is_paused and not self._is_asking:
            arrived_s, batch = self._held[0]
            if arrived_s - self._sure_s > SILENCE_S:
                self._verify()
                return
            self._sure_s = max(self._sure_s, arrived_s)
            self._held.popleft()
            self._told = None
            try:
                self._on_batch(batch)
            except Exception as error:  # noqa: BLE001 whoever called has other places to serve
                self.failed(error)

    def _verify(self) -> None:
        self._is_asking = True
        self._reader.verify(self)

    def tell(self, problem: ReadProblem) -> None:
        """Report a problem that may pass; once, until something is read again."""
        if not self.is_over and problem.trouble is not self._told:
            self._told = problem.trouble
            self._on_problem(problem)

    def refused(self, problem: ReadProblem) -> None:
        """The topic may not be read now; reading is tried again every few seconds."""
        self.tell(problem)
        self._reader.verify_later(self)

    def doubt(self, problem: ReadProblem) -> None:
        """The brokers do not tell whether the topic is the same."""
        if problem.trouble is not self._told:
            self._is_doubted = True
            self.tell(problem)

    def gone(self, problem: ReadProblem) -> None:
        """The topic is gone or another one. Stops; a later `seek` asks again."""
        self._is_doubted = True
        self.stop(problem)

    def failed(self, error: Exception) -> None:
        """What came could not be taken, which is a fault of this program. The receiver begins
        again: what other places have fetched is not concerned."""
        at = f"{self.place.topic}/{self.place.partition} before offset {self.position}"
        _LOG.error("records of %s could not be taken", at, exc_info=error)
        if not self.is_over:
            self._told = None  # again, too
            text = f"records of {at} could not be taken ({error!r}): they are read again"
            self.stop(ReadProblem(ReadTrouble.NOT_TAKEN, text))

    def stop(self, problem: ReadProblem) -> None:
        """Nothing more is read before a `seek`."""
        self.moves += 1
        self._is_stopped = True
        self._held.clear()
        self._leave_consumer()
        self.tell(problem)


def record_of(message: Message) -> InRecord:
    kind, timestamp_ms = message.timestamp()
    offset = message.offset()
    assert offset is not None, "a message that was read has an offset"
    headers = _headers_of(message)
    return InRecord(
        offset,
        -1 if kind == TIMESTAMP_NOT_AVAILABLE else timestamp_ms,
        message.key(),
        message.value(),
        headers or (),
        headers is None,
    )


_told_headers: Callable[[Message], RecordHeaders | None] = methodcaller("headers")
"""The client gives an answer and an error at once. Of a plain call that is made often, the
interpreter does not look for that: the error would come up anywhere later."""


def _headers_of(message: Message) -> RecordHeaders | None:
    """None if a name is not UTF-8: the client cannot tell any of them then. It must not be asked
    again, since its second answer would hold what ends the process."""
    try:
        return tuple(_told_headers(message) or ())
    except (SystemError, UnicodeDecodeError):
        return None
