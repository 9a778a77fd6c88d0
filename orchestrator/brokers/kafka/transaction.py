"""One Kafka transaction: rows of lanes and their ledger records, all or nothing.

`run` blocks, and is for the writer's thread. It asks after the topics before it begins, so that a
topic that is not there fails its own lane at once and holds nothing open, and so does one that
holds undecided records. A public topic of the engine (dead letters, feeds) that is missing is made
then.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from orchestrator.brokers.facts_port import RIGHTS
from orchestrator.brokers.kafka.configs import TRANSACTION_MS, WriterOptions
from orchestrator.brokers.kafka.errors import is_fenced
from orchestrator.brokers.kafka.making import make_topic
from orchestrator.brokers.kafka.rights import forbidden_topics
from orchestrator.brokers.kafka.undecided import Place, Undecided
from orchestrator.brokers.ledger import ledger_key, ledger_value
from orchestrator.brokers.writer_port import (
    NOWHERE,
    Committed,
    Lost,
    NotCommitted,
    Problem,
    ProblemCode,
    TopicRows,
)
from orchestrator.kafka.errors import REQUEST_S, error_of, text_of
from orchestrator.model.operating import OperatingError
from orchestrator.model.own_topics import PUBLIC_PARTITIONS, public_config

END_S: Final = 2 * TRANSACTION_MS / 1000
"""So long a commit or an abort is tried: by then the brokers have ended the transaction."""

_TRY_S: Final = 5.0
_CODES: Final = {
    KafkaError.UNKNOWN_TOPIC_OR_PART: ProblemCode.NO_TOPIC,
    KafkaError._UNKNOWN_TOPIC: ProblemCode.NO_TOPIC,
    KafkaError.TOPIC_EXCEPTION: ProblemCode.NO_TOPIC,  # a name that no topic can have
    KafkaError._UNKNOWN_PARTITION: ProblemCode.NO_PARTITION,
    KafkaError.TOPIC_AUTHORIZATION_FAILED: ProblemCode.NO_RIGHT,
    KafkaError.MSG_SIZE_TOO_LARGE: ProblemCode.TOO_LARGE,
    KafkaError.RECORD_LIST_TOO_LARGE: ProblemCode.TOO_LARGE,
    KafkaError.INVALID_MSG_SIZE: ProblemCode.TOO_LARGE,
    KafkaError.INVALID_RECORD: ProblemCode.BAD_RECORD,
    KafkaError.INVALID_MSG: ProblemCode.BAD_RECORD,
    KafkaError._INVALID_ARG: ProblemCode.BAD_RECORD,
}
_PURGED: Final = (KafkaError._PURGE_QUEUE, KafkaError._PURGE_INFLIGHT)

WriteEnd = Committed | NotCommitted | Lost


class Transactions:
    """The transactions of one producer, one at a time."""

    def __init__(self, producer: Producer, options: WriterOptions, undecided: Undecided) -> None:
        self._producer = producer
        self._options = options
        self._undecided = undecided
        self._known: set[str] = set()  # topics that may be written, since anything failed
        self._is_doubted = False  # something went wrong with the client itself
        self._over: Lost | None = None  # the producer is of no more use

    def doubt(self) -> None:
        """The brokers may have lost something: look at all topics again before the next one."""
        self._is_doubted = True

    def run(self, rows: Sequence[TopicRows]) -> WriteEnd:
        if self._over is not None:
            return self._over
        ledger = self._options.ledger_topic
        try:
            self._producer.poll(0)
            if self._is_doubted:
                self._forget()
            problems = self._look({ledger, *(each.topic for each in rows)})
        except KafkaException as raised:  # nothing was begun
            error = error_of(raised)
            return _lost(error) if error.fatal() else NotCommitted(text_of(raised), {})
        except OperatingError as refused:
            return NotCommitted(str(refused), {})
        if ledger in problems:
            return self._without_ledger(problems[ledger])
        if problems:
            found = {each.lane: problems[each.topic] for each in rows if each.topic in problems}
            return NotCommitted("a topic cannot be written", found)
        end = self._send(rows)
        if not isinstance(end, Committed):
            self._forget()
        return end

    def _forget(self) -> None:
        self._is_doubted = False
        self._known.clear()
        self._undecided.forget()

    def _without_ledger(self, problem: Problem) -> WriteEnd:
        """Whoever opens a writer makes it again. What fails would be blamed on rows."""
        if problem.code is ProblemCode.NO_TOPIC:
            return Lost(f"topic {self._options.ledger_topic} is gone", False)
        return NotCommitted(problem.message, {})

    def _look(self, topics: set[str]) -> dict[str, Problem]:
        """Problems by topic; asks only after those that are not known."""
        problems: dict[str, Problem] = {}
        places: list[Place] = []
        for topic in topics - self._known:
            found = self._look_at(topic)
            if isinstance(found, Problem):
                problems[topic] = found
            else:
                places += found
        if places:
            reasons = self._undecided.look(places)
            problems |= {
                topic: Problem(ProblemCode.NOT_NOW, reason) for topic, reason in reasons.items()
            }
        self._known |= topics - problems.keys()
        return problems

    def _look_at(self, topic: str) -> list[Place] | Problem:
        """The places that this writer may write to."""
        found = self._producer.list_topics(topic, timeout=REQUEST_S).topics[topic]
        is_ledger = topic == self._options.ledger_topic
        if found.error is not None:
            problem = _problem(found.error, topic)
            if is_ledger and problem.code is ProblemCode.NO_RIGHT:
                return []  # the transaction fails, which tells what is not allowed
            return self._make(topic, problem)
        numbers = [self._options.partition] if is_ledger else list(found.partitions)
        for number in numbers:
            if found.partitions[number].leader < 0:
                text = f"topic {topic}: partition {number} has no leader now"
                return Problem(ProblemCode.NOT_NOW, text)
        return [(topic, number) for number in numbers]

    def _make(self, topic: str, problem: Problem) -> Problem:
        """Make a missing topic of the engine, so that the next attempt finds it."""
        options = self._options
        settings = public_config(options.cluster, topic)
        if settings is None or problem.code is not ProblemCode.NO_TOPIC:
            return problem
        replicas = options.replication_factor
        try:
            why = make_topic(options.client(), topic, PUBLIC_PARTITIONS, replicas, settings)
        except OperatingError as error:
            why = str(error)
        if why:
            why = f"topic {topic} is missing, and could not be made: {why}"
            return Problem(ProblemCode.NO_TOPIC, why)
        return Problem(ProblemCode.NOT_NOW, f"topic {topic} has just been made")

    def _send(self, rows: Sequence[TopicRows]) -> WriteEnd:
        sent = _Sent(rows)
        try:
            self._producer.begin_transaction()
            self._produce(rows, sent)
            if not sent.problems:
                _insist(self._producer.commit_transaction)
                return Committed(sent.places())
        except KafkaException as raised:
            error = error_of(raised)
            if error.fatal() or not error.txn_requires_abort():
                return _lost(error)
            return self._abort(rows, sent, error)
        return self._abort(rows, sent, None)

    def _produce(self, rows: Sequence[TopicRows], sent: "_Sent") -> None:
        options, producer = self._options, self._producer
        for each in rows:
            for index, record in enumerate(each.records):
                try:
                    producer.produce(
                        each.topic,
                        record.value,
                        record.key,
                        record.partition,  # BY_KEY is librdkafka's own word for it
                        partial(sent.reported, each, index),
                        headers=list(record.headers) or None,
                    )
                except KafkaException as raised:
                    sent.failed(each, error_of(raised))
                    return
            producer.produce(
                options.ledger_topic,
                ledger_value(options.identity, each.last),
                ledger_key(each.lane),
                partition=options.partition,
            )

    def _abort(self, rows: Sequence[TopicRows], sent: "_Sent", why: KafkaError | None) -> WriteEnd:
        """Nothing was committed, whether it can be aborted or not. A transaction that no partition
        could be added to cannot: the brokers know of none, and the producer is over."""
        lost = self._end_it()
        if lost is not None and lost.is_fenced:
            return lost
        end = self._judged(rows, sent, why)
        if lost is None:
            return end
        self._over = Lost(end.reason, False)
        return end if end.problems else self._over

    def _end_it(self) -> Lost | None:
        try:
            _insist(self._producer.abort_transaction)
        except KafkaException as raised:
            return _lost(error_of(raised))
        return None

    def _judged(
        self, rows: Sequence[TopicRows], sent: "_Sent", why: KafkaError | None
    ) -> NotCommitted:
        problems = sent.problems
        if problems or why is None:
            return NotCommitted(next(iter(problems.values())).message, problems)
        if why.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
            return self._not_allowed(rows, why)
        if why.code() in _CODES:
            # The brokers do not say whose fault it is: each lane has to be tried alone.
            problems = {each.lane: _problem(why, each.topic) for each in rows}
        return NotCommitted(str(why), problems)

    def _not_allowed(self, rows: Sequence[TopicRows], why: KafkaError) -> NotCommitted:
        """Which of its topics was refused a transaction does not say. While that is not known, or
        it is the ledger, rows wait: those that are refused become dead letters."""
        ledger = self._options.ledger_topic
        try:
            found = forbidden_topics(self._options, {ledger, *(each.topic for each in rows)})
        except (KafkaException, OperatingError) as error:
            said = text_of(error) if isinstance(error, KafkaException) else str(error)
            return NotCommitted(
                f"a topic may not be written, and it is not known which: {said}", {}
            )
        if ledger in found:
            return NotCommitted(
                f"the user may not write to topic {ledger}, which remembers what was sent:"
                f" perdure explain {RIGHTS}",
                {},
            )
        problems = {}
        for each in rows:
            if each.topic in found:
                said = f"the user may not write to topic {each.topic}"
                problems[each.lane] = Problem(ProblemCode.NO_RIGHT, said)
        return NotCommitted(str(why), problems)


class _Sent:
    """What the brokers said of each record of one transaction."""

    def __init__(self, rows: Sequence[TopicRows]) -> None:
        self._places = {each.lane: [NOWHERE] * len(each.records) for each in rows}
        self.problems: dict[int, Problem] = {}

    def reported(
        self, rows: TopicRows, index: int, error: KafkaError | None, message: Message
    ) -> None:
        """librdkafka's report on one row; those of different partitions come in any order."""
        if error is not None:
            self.failed(rows, error)
            return
        partition, offset = message.partition(), message.offset()
        if partition is not None and offset is not None:
            self._places[rows.lane][index] = (partition, offset)

    def failed(self, rows: TopicRows, error: KafkaError) -> None:
        if error.code() not in _PURGED and not error.fatal():
            self.problems.setdefault(rows.lane, _problem(error, rows.topic))

    def places(self) -> dict[int, tuple[tuple[int, int], ...]]:
        return {lane: tuple(places) for lane, places in self._places.items()}


def _insist(end: Callable[[float], None]) -> None:
    """Retry until it succeeds. Raises an error that is not retriable, and after END_S the last
    error."""
    give_up = time.monotonic() + END_S
    while True:
        try:
            end(_TRY_S)
            return
        except KafkaException as raised:
            if not error_of(raised).retriable() or time.monotonic() > give_up:
                raise


def _problem(error: KafkaError, topic: str) -> Problem:
    code = _CODES.get(error.code(), ProblemCode.NOT_NOW)
    return Problem(code, f"topic {topic}: {error.str()}")


def _lost(error: KafkaError) -> Lost:
    return Lost(str(error.str()), is_fenced(error))
