"""The load generator of topics: a process of its own, one thread and the clients' own.

It reads a plan (JSON) from standard input, writes two lines to standard output when the measured
window begins and ends, then the result (JSON). A burst is produced and acknowledged; with replies
so many records are kept under way, each followed by the next when its reply has been consumed,
`read_committed`. A reply is known by its key, the number of its record.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any, TypedDict

from confluent_kafka import OFFSET_BEGINNING, Consumer, Message, Producer, TopicPartition

from tests.bench.load import quantile_ms

_DRAIN_S = 10.0
_FIRST_REPLY_S = 60.0  # a subscription may still have to be made
_CHUNK = 500


class Plan(TypedDict):
    """`%d` in `value` is the number of the record; `keys` is how many there are, 0: its number."""

    bootstrap: str
    topic: str
    value: str
    headers: list[tuple[str, str]]  # lists, as JSON has them
    keys: int
    total: int  # of a burst
    replies: str  # the topic they come to; "": a burst
    in_flight: int
    warmup_s: float
    seconds: float


class Load:
    """What a plan produces, and the replies that are awaited."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._servers = {"bootstrap.servers": plan["bootstrap"]}
        # Alone, nothing comes that it could wait for; else it batches as producers do by default.
        linger = {"linger.ms": 0} if plan["in_flight"] == 1 else {}
        self._producer = Producer({**self._servers, "acks": "all", **linger})
        self._headers: list[tuple[str, str | bytes | None]] = [
            (name, value) for name, value in plan["headers"]
        ]
        self._value = plan["value"].encode()
        self._next = 0
        self._sent_s: dict[bytes, float] = {}  # of what has no reply yet, by key
        self.latencies_s: list[float] = []
        self.errors = 0
        self.first_error = ""
        if plan["replies"]:
            self._consumer = self._reading(plan["replies"])

    def _reading(self, topic: str) -> Consumer:
        config = {
            **self._servers,
            "group.id": "bench",  # never joined
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
        consumer = Consumer(config)
        found = consumer.list_topics(topic, timeout=10).topics[topic].partitions
        consumer.assign([TopicPartition(topic, each, OFFSET_BEGINNING) for each in found])
        return consumer

    def burst(self) -> None:
        for number in range(self._plan["total"]):
            self._produce(number)
            if number % _CHUNK == 0:
                self._producer.poll(0)
        if self._producer.flush(60):
            self._failed("the broker took not all of the burst")

    def _produce(self, number: int) -> bytes:
        keys = self._plan["keys"]
        key = b"%d" % (number % keys if keys else number)
        value = self._value.replace(b"%d", b"%d" % number)
        self._producer.produce(self._plan["topic"], value, key, headers=self._headers)
        return key

    def begin(self) -> None:
        for _ in range(self._plan["in_flight"]):
            self._send()

    def _send(self) -> None:
        number = self._next
        self._next = number + 1
        self._sent_s[b"%d" % number] = time.perf_counter()
        self._produce(number)

    def until_first_reply(self) -> None:
        give_up = time.perf_counter() + _FIRST_REPLY_S
        while not self.latencies_s and time.perf_counter() < give_up:
            self._take(self._replies(), more=True)

    def run(self, until: float) -> None:
        while time.perf_counter() < until:
            self._take(self._replies(), more=True)

    def drain(self) -> None:
        """Whatever is still awaited then is an error."""
        give_up = time.perf_counter() + _DRAIN_S
        while self._sent_s and time.perf_counter() < give_up:
            self._take(self._replies(), more=False)
        for _ in self._sent_s:
            self._failed("a record has no reply")
        self._consumer.close()

    def _replies(self) -> list[Message]:
        self._producer.poll(0)
        first = self._consumer.poll(0.1)
        if first is None:
            return []
        return [first, *self._consumer.consume(_CHUNK, 0)]

    def _take(self, replies: list[Message], more: bool) -> None:
        now_s = time.perf_counter()
        for reply in replies:
            error = reply.error()
            if error is not None:
                self._failed(str(error))
                continue
            sent_s = self._sent_s.pop(reply.key() or b"", None)
            headers = dict(reply.headers() or ())
            if sent_s is None:
                self._failed(f"a second reply, or one to nothing: {reply.key()!r}")
            elif headers.get("perdure-status", b"ok") != b"ok":
                self._failed(str(reply.value()))
            else:
                self.latencies_s.append(now_s - sent_s)
            if more and sent_s is not None:
                self._send()

    def _failed(self, reason: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or reason


def run(plan: Plan, mark: Callable[[str], None]) -> dict[str, Any]:
    """Carry out `plan`; `mark` is told when the measured window begins and ends."""
    load = Load(plan)
    if plan["replies"]:
        load.begin()
        load.until_first_reply()
        load.run(time.perf_counter() + plan["warmup_s"])
        load.latencies_s.clear()
    mark("begin")
    cpu_before_s, began = time.process_time(), time.perf_counter()
    if plan["replies"]:
        load.run(began + plan["seconds"])
    else:
        load.burst()
    took_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu_before_s
    mark("end")
    latencies_s = sorted(load.latencies_s)
    completed = len(latencies_s)
    if plan["replies"]:
        load.drain()
    return {
        "completed": completed,
        "requests": max(completed, 1),
        "seconds": took_s,
        "per_second": completed / took_s,
        "p50_ms": quantile_ms(latencies_s, 0.50),
        "p99_ms": quantile_ms(latencies_s, 0.99),
        "load_cpu_us_per_request": cpu_s / max(completed, 1) * 1e6,
        "errors": load.errors,
        "first_error": load.first_error,
    }


def main() -> None:
    plan: Plan = json.load(sys.stdin)
    print(json.dumps(run(plan, lambda word: print(word, flush=True))), flush=True)


if __name__ == "__main__":
    main()
