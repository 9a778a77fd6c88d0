"""Facts of a Kafka cluster, by an admin client that is made at the first question.

The client answers from a thread of its own. It is made and ended in other threads: making it
reads files, and ending it waits for its connections.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, Final, TypeVar

from confluent_kafka import (
    IsolationLevel,
    KafkaError,
    KafkaException,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
    OffsetSpec,
    TopicDescription,
)

from orchestrator.brokers.facts_port import (
    BAD_OPTIONS,
    EARLIEST,
    LATEST,
    NOT_MADE,
    OUT_OF_REACH,
    QUESTION_S,
    BrokerTrouble,
    FoundTopics,
    OnEnds,
    OnMade,
    OnMembers,
    OnOffsets,
    OnRecord,
    OnTopics,
    TopicFact,
)
from orchestrator.brokers.kafka.errors import is_about_credentials, is_transient, trouble_of
from orchestrator.brokers.kafka.one_record import fetch_record
from orchestrator.brokers.reader_port import InRecord
from orchestrator.kafka.broker_options import broker_config, client_options
from orchestrator.kafka.clients import make_admin, make_consumer
from orchestrator.kafka.errors import NO_TOPIC, error_of
from orchestrator.kafka.groups import members_now
from orchestrator.kafka.secrets import UnresolvedReference, without_secrets
from orchestrator.model.refusal import LogRefused

_LOG = logging.getLogger("perdure.brokers")
T = TypeVar("T")
Work = Callable[[], Coroutine[Any, Any, T]]

_MOVING: Final = {
    KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
    KafkaError.COORDINATOR_NOT_AVAILABLE,
}
_BEING_MADE: Final = {
    KafkaError.NOT_LEADER_FOR_PARTITION,
    KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    # Who was asked has heard of the leader's term later, or earlier, than we have.
    KafkaError.UNKNOWN_LEADER_EPOCH,
    KafkaError.FENCED_LEADER_EPOCH,
}
_LOOK_S: Final = 0.05  # how often an open question looks whether the credentials were refused


class _NoAnswer(Exception):
    def __init__(self, trouble: BrokerTrouble) -> None:
        super().__init__(trouble.message)
        self.trouble = trouble


class KafkaFacts:
    """`TopicFacts` of the cluster that `options` lead to; they may hold references."""

    def __init__(
        self, options: Iterable[tuple[str, str]], client_id: str, replication_factor: int = -1
    ) -> None:
        self._replication_factor = replication_factor  # of topics that are made
        self._options = tuple(options)
        self._client_id = client_id
        self._resolved: Mapping[str, str] = {}
        self._admin: AdminClient | None = None
        self._making = asyncio.Lock()
        self._refusal: KafkaError | None = None  # of the credentials, since the last answer
        self._tasks: set[asyncio.Task[None]] = set()

    def topics(self, names: Sequence[str], on_found: OnTopics) -> None:
        self._ask(lambda: self._topics(list(names)), on_found)

    def offsets(self, topic: TopicFact, point: int, on_found: OnOffsets) -> None:
        self._ask(lambda: self._offsets(topic, point), on_found)

    def ends(self, topics: Sequence[TopicFact], on_found: OnEnds) -> None:
        self._ask(lambda: self._ends(topics), on_found)

    def committed(self, group: str, topic: TopicFact, on_found: OnOffsets) -> None:
        self._ask(lambda: self._committed(group, topic), on_found)

    def record(self, topic: TopicFact, partition: int, offset: int, on_found: OnRecord) -> None:
        self._ask(lambda: self._record(topic.name, partition, offset), on_found)

    def make_topic(
        self, name: str, partition_count: int, settings: Mapping[str, str], on_made: OnMade
    ) -> None:
        self._ask(lambda: self._make(name, partition_count, settings), on_made)

    def members(self, group: str, on_found: OnMembers) -> None:
        self._ask(lambda: self._members(group), on_found)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        admin, self._admin = self._admin, None
        if admin is not None:
            ending = [admin]
            del admin
            asyncio.get_running_loop().run_in_executor(None, ending.clear)

    def _ask(self, work: Work[T], on_answer: Callable[[T | BrokerTrouble], None]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(work, on_answer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, work: Work[T], on_answer: Callable[[T | BrokerTrouble], None]) -> None:
        answer: T | BrokerTrouble
        try:
            answer = await work()
        except _NoAnswer as no:
            answer = self._shown(no.trouble)
        except Exception as error:  # noqa: BLE001 who asks asks nothing else before the answer
            _LOG.exception("an error while a broker cluster was asked")
            answer = self._shown(BrokerTrouble(OUT_OF_REACH, f"no answer ({error!r})", True))
        on_answer(answer)

    def _shown(self, trouble: BrokerTrouble) -> BrokerTrouble:
        text = without_secrets(trouble.message, self._resolved)
        return BrokerTrouble(trouble.code, text, trouble.passes)

    async def _topics(self, names: list[str]) -> FoundTopics:
        """Asks both questions at once: records that came after a silence wait for the answers."""
        admin = await self._client()
        identity = admin.describe_cluster(request_timeout=QUESTION_S)
        asked = (
            admin.describe_topics(TopicCollection(names), request_timeout=QUESTION_S)
            if names
            else {}
        )
        cluster = (await self._of(identity, "describe the cluster")).cluster_id
        found: dict[str, TopicFact] = {}
        refused: dict[str, BrokerTrouble] = {}
        for name, future in asked.items():
            described = await self._described(name, future)
            if isinstance(described, BrokerTrouble):
                refused[name] = described
            elif described is not None:
                found[name] = described
        return FoundTopics(str(cluster), found, refused)

    async def _described(
        self, name: str, future: Future[TopicDescription]
    ) -> TopicFact | BrokerTrouble | None:
        """The topic; None if it does not exist; BrokerTrouble if the user may not see it."""
        try:
            described = await self._until(future)
        except KafkaException as raised:
            error = error_of(raised)
            if error.code() in NO_TOPIC:
                return None
            no_answer = self._no_answer(error, f"describe the topic {name}")
            if error.code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                return no_answer.trouble
            raise no_answer from None
        return TopicFact(name, _bytes_of(described.topic_id), len(described.partitions))

    async def _offsets(self, topic: TopicFact, point: int) -> tuple[int, ...]:
        found = await self._listed(topic, point)
        if -1 not in found:
            return found
        # No record is as late as the time asked for: the next one will be.
        ends = await self._listed(topic, LATEST)
        return tuple(end if one < 0 else one for one, end in zip(found, ends, strict=True))

    async def _listed(self, topic: TopicFact, point: int) -> tuple[int, ...]:
        """Asks again while the partitions get their leaders: the topic may be a moment old."""
        give_up_s = time.monotonic() + QUESTION_S
        while True:
            try:
                return await self._listed_once(topic, point)
            except KafkaException as raised:
                error = error_of(raised)
                if error.code() not in _BEING_MADE or time.monotonic() > give_up_s:
                    raise self._no_answer(error, f"read the topic {topic.name}") from None
            await asyncio.sleep(_LOOK_S)

    async def _listed_once(self, topic: TopicFact, point: int) -> tuple[int, ...]:
        admin = await self._client()
        asked = admin.list_offsets(
            {TopicPartition(topic.name, n): _spec(point) for n in range(topic.partition_count)},
            isolation_level=IsolationLevel.READ_COMMITTED,
            request_timeout=QUESTION_S,
        )
        found = [0] * topic.partition_count
        for place, future in asked.items():
            found[place.partition] = (await self._until(future)).offset
        return tuple(found)

    async def _ends(self, topics: Sequence[TopicFact]) -> dict[str, tuple[int, ...]]:
        """Asks one question for each topic: a topic that is gone keeps its question open until the
        deadline. Topics without an answer are left out; raises if none has one."""
        asked = (self._listed_once(one, LATEST) for one in topics)
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found: dict[str, tuple[int, ...]] = {}
        trouble: _NoAnswer | None = None
        for one, answer in zip(topics, answers, strict=True):
            if isinstance(answer, KafkaException):
                error = error_of(answer)
                if error.code() not in (*NO_TOPIC, KafkaError.TOPIC_AUTHORIZATION_FAILED):
                    trouble = self._no_answer(error, f"read the topic {one.name}")
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found[one.name] = answer
        if trouble is not None and not found:
            raise trouble
        return found

    async def _committed(self, group: str, topic: TopicFact) -> tuple[int, ...]:
        """By a consumer that never joins: librdkafka's `ListConsumerGroupOffsets` ends the process
        with a fault if the coordinator of the group is still loading (seen with 2.16)."""
        await self._client()  # resolves the options
        try:
            return await asyncio.to_thread(self._fetched, group, topic)
        except KafkaException as raised:
            doing = f"read the offsets of the group {group}"
            raise self._no_answer(error_of(raised), doing) from None

    def _fetched(self, group: str, topic: TopicFact) -> tuple[int, ...]:
        config = broker_config(self._resolved, self._client_id)
        consumer = make_consumer(config | {"group.id": group, "enable.auto.commit": False})
        try:
            places = [TopicPartition(topic.name, n) for n in range(topic.partition_count)]
            committed = _once_led(lambda: consumer.committed(places, timeout=QUESTION_S))
            found = {one.partition: one for one in committed}
        finally:
            consumer.close()
        for place in found.values():
            if place.error is not None:
                raise KafkaException(place.error)
        return tuple(max(-1, found[n].offset) for n in range(topic.partition_count))

    async def _record(self, topic: str, partition: int, offset: int) -> InRecord | None:
        await self._client()  # resolves the options
        config = broker_config(self._resolved, self._client_id)
        try:
            return await asyncio.to_thread(fetch_record, config, topic, partition, offset)
        except KafkaException as raised:
            raise self._no_answer(error_of(raised), f"read the topic {topic}") from None

    async def _make(self, name: str, partition_count: int, settings: Mapping[str, str]) -> bool:
        admin = await self._client()
        wanted = NewTopic(name, partition_count, self._replication_factor, config=dict(settings))
        asked = admin.create_topics([wanted], request_timeout=QUESTION_S)
        try:
            await self._until(asked[name])
        except KafkaException as raised:
            error = error_of(raised)
            if error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                return False
            trouble = trouble_of(error, f"make the topic {name}")
            if trouble.code == OUT_OF_REACH and not is_transient(error):
                trouble = BrokerTrouble(NOT_MADE, f"it could not be made ({error.str()})")
            raise _NoAnswer(trouble) from None
        return True

    async def _members(self, group: str) -> tuple[str, ...]:
        admin = await self._client()
        try:
            return await asyncio.to_thread(_members, admin, group)
        except KafkaException as raised:
            error = error_of(raised)
            if error.code() == KafkaError.GROUP_AUTHORIZATION_FAILED:
                return ()
            raise self._no_answer(error, f"describe the group {group}") from None

    async def _client(self) -> AdminClient:
        async with self._making:
            if self._admin is None:
                self._admin = await asyncio.to_thread(self._made)
            return self._admin

    def _made(self) -> AdminClient:
        try:
            self._resolved = client_options(self._options)
            config = broker_config(self._resolved, self._client_id)
            return make_admin(config, self._noted)
        except UnresolvedReference as error:
            raise _NoAnswer(BrokerTrouble(BAD_OPTIONS, str(error))) from None
        except LogRefused as refused:
            raise _NoAnswer(BrokerTrouble(BAD_OPTIONS, refused.message)) from None

    def _noted(self, error: KafkaError) -> None:
        if is_about_credentials(error):
            self._refusal = error

    async def _of(self, future: Future[Any], doing: str) -> Any:
        try:
            return await self._until(future)
        except KafkaException as raised:
            raise self._no_answer(error_of(raised), doing) from None

    async def _until(self, future: Future[T]) -> T:
        """The result of a request. Raises as soon as the brokers refuse the credentials: the client
        would go on trying for ever."""
        if future.done():  # all futures of one request complete together
            return future.result()
        answer = asyncio.wrap_future(future)
        while not answer.done():
            await asyncio.wait((answer,), timeout=_LOOK_S)
            if self._admin is not None and not answer.done():
                self._admin.poll(0)
                if self._refusal is not None:
                    refusal, self._refusal = self._refusal, None
                    raise KafkaException(refusal)
        return answer.result()

    def _no_answer(self, error: KafkaError, doing: str) -> _NoAnswer:
        return _NoAnswer(trouble_of(error, doing))


def _members(admin: AdminClient, group: str) -> tuple[str, ...]:
    """Names of the members; none if the group has no coordinator in time."""
    try:
        return _once_led(lambda: members_now(admin, group, QUESTION_S))
    except KafkaException as raised:
        if error_of(raised).code() not in _MOVING:
            raise
        return ()


def _once_led(ask: Callable[[], T]) -> T:
    """Asks again while the coordinator moves, as it does on brokers that have just started."""
    give_up = time.monotonic() + QUESTION_S
    while True:
        try:
            return ask()
        except KafkaException as raised:
            if error_of(raised).code() not in _MOVING or time.monotonic() > give_up:
                raise
            time.sleep(_LOOK_S)


def _bytes_of(topic_id: Any) -> bytes:
    """The two signed halves that Kafka's ids are handed out in."""
    halves = (topic_id.get_most_significant_bits(), topic_id.get_least_significant_bits())
    return b"".join(half.to_bytes(8, "big", signed=True) for half in halves)


def _spec(point: int) -> Any:
    made: dict[int, Any] = {EARLIEST: OffsetSpec.earliest, LATEST: OffsetSpec.latest}
    return made[point]() if point in made else OffsetSpec.for_timestamp(point)
