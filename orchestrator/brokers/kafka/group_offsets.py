"""The `GroupOffsets` of a Kafka cluster: a consumer that never joins, made for each commit.

A client of librdkafka belongs to one group, and one that is kept for each of many subscriptions
would cost five threads each. The admin client, which can commit for any group, ends the process
with a fault when the connection to the coordinator breaks (librdkafka's issue 4605).
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, TopicPartition

from orchestrator.brokers.groups_port import Offsets
from orchestrator.brokers.kafka.configs import MakeConfig
from orchestrator.kafka.clients import ignored, make_consumer
from orchestrator.kafka.errors import error_of, text_of
from orchestrator.model.operating import OperatingError

_USED_BY_OTHERS: Final = (KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION)
_ANSWER_MS: Final = "5000"  # librdkafka waits for the coordinator as long as a session lasts


class KafkaGroupOffsets:
    """Made and used on the event loop."""

    def __init__(self, client: MakeConfig, threads: ThreadPoolExecutor) -> None:
        self._client = client
        self._threads = threads
        self._tasks: set[asyncio.Task[None]] = set()

    def commit(self, group: str, offsets: Offsets, done: Callable[[str], None]) -> None:
        task = asyncio.get_running_loop().create_task(self._commit(group, offsets, done))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _commit(self, group: str, offsets: Offsets, done: Callable[[str], None]) -> None:
        try:
            commit = partial(_committed, self._client, group, offsets)
            why_not = await asyncio.get_running_loop().run_in_executor(self._threads, commit)
        except OperatingError as refused:
            why_not = str(refused)
        done(why_not)


def _committed(client: MakeConfig, group: str, offsets: Offsets) -> str:
    """Why the commit failed, "" if it did not. It blocks."""
    own = {"group.id": group, "enable.auto.commit": "false", "session.timeout.ms": _ANSWER_MS}
    consumer = make_consumer(client() | own, ignored)
    try:
        places = [TopicPartition(*at, offset) for at, offset in offsets.items()]
        told: Any = consumer.commit(offsets=places, asynchronous=False)
    except KafkaException as raised:
        if error_of(raised).code() in _USED_BY_OTHERS:
            return f"consumers that are no part of this engine use the group {group}"
        return text_of(raised)
    finally:
        consumer.close()
    return next((str(place.error.str()) for place in told if place.error is not None), "")
