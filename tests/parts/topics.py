"""Users' topics on a broker: made, written, and read as far as they are committed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    IsolationLevel,
    KafkaError,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
    OffsetSpec,
)

from tests.parts.client import fresh, http_request
from tests.parts.kafka import KafkaBroker
from tests.parts.processes import wait_until
from tests.parts.server import PerdureServer

Headers = list[tuple[str, str | bytes | None]]

_READ_S = 60.0
_LARGE_BYTES = 100_000_000  # the topic's own limit decides


class Topics:
    """Produces to topics, and reads what is committed; goes on when the broker was killed."""

    def __init__(self, broker: KafkaBroker, options: dict[str, Any] | None = None) -> None:
        """`options`: how a guarded broker lets its clients in."""
        self.servers: dict[str, Any] = {"bootstrap.servers": broker.bootstrap, **(options or {})}
        self._admin = AdminClient(self.servers)
        own = {"linger.ms": 0, "enable.idempotence": True, "message.max.bytes": _LARGE_BYTES}
        self._producer = Producer({**self.servers, **own})

    def make(self, partitions: int = 2, **config: str) -> str:
        """A topic; `config` has `_` for `.`."""
        name = fresh("topic")
        named = {key.replace("_", "."): value for key, value in config.items()}
        self._admin.create_topics([NewTopic(name, partitions, config=named)])[name].result()
        wait_until(lambda: self._is_led(name, partitions), _READ_S, f"{name} has leaders")
        return name

    def _is_led(self, name: str, partitions: int) -> bool:
        """The brokers learn of a topic after they have answered that it is made."""
        found = self._admin.list_topics(name, timeout=_READ_S).topics[name].partitions
        return len(found) == partitions and all(one.leader >= 0 for one in found.values())

    def delete(self, name: str) -> None:
        self._admin.delete_topics([name])[name].result()

    def produce(self, topic: str, key: bytes | None, value: bytes | None, **headers: bytes) -> None:
        """One record, written when this returns; names of headers have `_` for `-`."""
        named: Headers = [(name.replace("_", "-"), each) for name, each in headers.items()]
        self.give(topic, key, value, named)
        self.flush()

    def give(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: Headers | None = None,
        partition: int = -1,
    ) -> None:
        """One record, written at the next `flush`."""
        while True:
            try:
                self._producer.produce(topic, value, key, partition, headers=headers or [])
                return
            except BufferError:
                self._producer.poll(0.1)

    def flush(self) -> None:
        assert self._producer.flush(_READ_S) == 0

    def read(self, topic: str, count: int) -> list[Any]:
        """The first `count` messages, or as many as there are after a minute."""
        return list(islice(self._messages(topic, lambda ended: False), count))

    def whole(self, topic: str) -> list[Any]:
        """All that is committed, up to the end as it is now: what is undecided is waited for."""
        ends = self.ends(topic)

        def is_over(ended: dict[int, int]) -> bool:
            return all(ended.get(partition, -1) >= end for partition, end in ends.items())

        return list(self._messages(topic, is_over))

    def so_far(self, topic: str) -> list[Any]:
        """As `whole`, for `eventually`: one that is not there, or has no leader, is no error."""
        try:
            # To ask for one topic by its name would make it.
            assert topic in self._admin.list_topics(timeout=_READ_S).topics
            return self.whole(topic)
        except KafkaException as error:
            raise AssertionError(str(error)) from None

    def reader(self) -> Consumer:
        config = {
            **self.servers,
            "group.id": fresh("group"),
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 10,
        }
        return Consumer(config)

    def ends(self, topic: str, committed: bool = False) -> dict[int, int]:
        """By partition; `committed`: as far as no open transaction holds up readers."""
        level = IsolationLevel.READ_COMMITTED if committed else IsolationLevel.READ_UNCOMMITTED
        asked = {
            TopicPartition(topic, place.partition): OffsetSpec.latest()  # type: ignore[no-untyped-call]
            for place in self.places(topic)
        }
        found = self._admin.list_offsets(asked, isolation_level=level, request_timeout=_READ_S)
        return {place.partition: each.result().offset for place, each in found.items()}

    def committed(self, group: str, topic: str) -> int:
        """The offset of a group in the first partition."""
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        found = self._admin.list_consumer_group_offsets([asked])[group].result()
        return int(found.topic_partitions[0].offset)

    def places(self, topic: str) -> list[TopicPartition]:
        """The beginning of each partition."""
        found = self._admin.list_topics(topic, timeout=_READ_S).topics[topic]
        return [TopicPartition(topic, number, 0) for number in found.partitions]

    def _messages(self, topic: str, is_over: Callable[[dict[int, int]], bool]) -> Iterator[Any]:
        """From the beginning until `is_over`, which is told where partitions ended."""
        consumer = self.reader()
        try:
            consumer.assign(self.places(topic))
            ended: dict[int, int] = {}
            deadline = time.monotonic() + _READ_S
            while not is_over(ended) and time.monotonic() < deadline:
                message = consumer.poll(0.2)
                if message is None:
                    continue
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended[message.partition() or 0] = message.offset() or 0
        finally:
            consumer.close()


def subscribe(server: PerdureServer, topic: str, sink: str, **more: object) -> str:
    """The id of a subscription from the beginning of `topic` on."""
    asked = {"sources": [f"kafka://log/{topic}"], "sink": f"service://{sink}", **more}
    path = "/perdure/v1/subscriptions"
    body = json.dumps({"start": "earliest", **asked}).encode()
    made = http_request(
        server.admin, "POST", path, body, {"content-type": "application/json"}
    ).expect(200, 201)
    return str(made.json()["id"])
