"""Brokers of another Kafka cluster that answer for a while where those of the users' topics did.

Their topics have the same names, and ids and records of their own.
"""

import json
from random import Random
from typing import TYPE_CHECKING, Final

from orchestrator.codec.keys import source_key
from orchestrator.intake.read_status import PAUSED, RETRYING, STOPPED
from tests.simulation.user_broker import UserBroker

if TYPE_CHECKING:
    from tests.simulation.topic_checkers import Seen
    from tests.simulation.topic_world import TopicWorld

KAFKA_ID: Final = "strangers"
FIRST_ID: Final = 1 << 32  # of their topics
RECORDS: Final = 3
LATEST_S: Final = 1.5  # so long after the trouble those of the world are back


class Strangers:
    """Of one world."""

    def __init__(self, world: "TopicWorld") -> None:
        self._world = world
        self._chance = Random(f"strangers {world.seed}")
        self._brokers: UserBroker | None = None  # while they answer

    def answering(self) -> UserBroker:
        return self._brokers or self._world.broker

    def begin(self) -> None:
        chance, trouble_s = self._chance, self._world.plan.trouble_s
        if chance.random() < 0.3:
            from_s = chance.random() * trouble_s
            upto_s = min(from_s + 1 + 5 * chance.random(), trouble_s + LATEST_S)
            self._world.loop.call_later(from_s, self._come)
            self._world.loop.call_later(upto_s, self._go)

    def _come(self) -> None:
        world = self._world
        made = UserBroker(
            world.loop, self._chance, world.user_faults, self._chance, KAFKA_ID, FIRST_ID
        )
        for name, held in world.broker.topics.items():
            topic = made.make(name, len(held.partitions))
            for number in range(RECORDS):
                program = json.dumps({"token": f"strange{number}", "ops": []}).encode()
                made.append(topic, -1, b"stranger", program, ())
        self._brokers = made
        world.broker.tell()
        world.oracle.counts["strangers"] += 1

    def _go(self) -> None:
        self._check_told()
        self._brokers = None
        self._world.broker.tell()

    def _check_told(self) -> None:
        """Who knows that these are others says of each subscription that it is not read."""
        world = self._world
        node = world.current
        if node is None or not node.is_alive:
            return
        intake = world.intakes[node.number]
        with node.probed():
            views = intake.subscriptions_now()
        for one in world.subscriptions:
            known = intake._topics.known.get(("log", one.topic))
            if one.id not in views or known is None or known.kafka_id != KAFKA_ID:
                continue
            if views[one.id].status not in (STOPPED, RETRYING, PAUSED):
                world.oracle.broken("strangers", f"{one.id} is {views[one.id].status}")


def check_strangers(world: "TopicWorld", seen: "Seen") -> None:
    """Nothing of theirs has become a source."""
    for partition in seen.partitions:
        for _, row in partition.state.sources.scan():
            if int.from_bytes(row.source.topic_id) >= FIRST_ID:
                key = source_key(row.source).hex()
                world.oracle.broken("strangers", f"{row.source.topic} is read of others: {key}")
