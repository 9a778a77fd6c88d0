"""A load that warms a broker up: `python -m tests.bench.topic_warm_up BOOTSTRAP SECONDS`.

A young broker compiles as it goes: a request costs two to three times as much as later, and whoever
is measured first would pay for it. This load is none of the measured systems' own: transactions
over some partitions, produces that are acknowledged one by one, and readers of both.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

from confluent_kafka import OFFSET_BEGINNING, Consumer, Producer, TopicPartition
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # not in its __all__
    AdminClient,
    NewTopic,
)

_PARTITIONS = 4
_ROWS = 16  # of a transaction
_VALUE = b"x" * 200
_CALL_S = 30.0

Round = Callable[[], None]


def _transactions(bootstrap: str, topic: str) -> Round:
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "transactional.id": f"{topic}.warm-up",
            "linger.ms": 0,
            "retry.backoff.ms": 1,
        }
    )
    producer.init_transactions(_CALL_S)

    def transaction() -> None:
        producer.begin_transaction()
        for number in range(_ROWS):
            producer.produce(topic, _VALUE, b"%d" % number, number % _PARTITIONS)
        producer.commit_transaction(_CALL_S)

    return transaction


def _produces(bootstrap: str, topic: str) -> Round:
    config = {"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 0}
    producer = Producer(config)

    def produces() -> None:
        for number in range(_PARTITIONS):
            producer.produce(topic, _VALUE, partition=number)
        producer.flush(_CALL_S)

    return produces


def _reads(bootstrap: str, topic: str) -> Round:
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "warm-up",  # never joined
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    consumer.assign([TopicPartition(topic, n, OFFSET_BEGINNING) for n in range(_PARTITIONS)])

    def read() -> None:
        consumer.consume(100, 0.1)

    return read


def run(bootstrap: str, seconds: float) -> None:
    topics = [f"warm-up-{what}-{time.time_ns()}" for what in ("sent", "produced")]
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for made in admin.create_topics([NewTopic(one, _PARTITIONS) for one in topics]).values():
        made.result()
    until = time.monotonic() + seconds

    def repeat(one: Round) -> None:
        while time.monotonic() < until:
            one()

    rounds = [_transactions(bootstrap, topics[0]), _produces(bootstrap, topics[1])]
    rounds += [_reads(bootstrap, topic) for topic in topics]
    threads = [threading.Thread(target=repeat, args=(one,)) for one in rounds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for deleted in admin.delete_topics(topics).values():
        deleted.result()


if __name__ == "__main__":
    run(sys.argv[1], float(sys.argv[2]))
