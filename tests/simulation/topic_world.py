"""A world with topics: outsiders produce, subscriptions invoke, results and sends go out."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from msgspec.structs import replace

from orchestrator.codec.keys import source_key
from orchestrator.intake.intake import TopicIntake
from orchestrator.model.own_topics import LETTERS_KEPT_MS
from orchestrator.model.rows import SourceRow
from orchestrator.model.topics import Source
from orchestrator.registry.stored_topics import (
    StoredCluster,
    StoredStart,
    StoredSubscription,
    TopicsState,
)
from perdure import wire
from tests.simulation import handlers, topic_checkers
from tests.simulation.bounds import bounded, make_bounds
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.metadata import LATE
from tests.simulation.mutation import patched
from tests.simulation.node import Node, repeating, small_slices
from tests.simulation.plan import Plan, make_plan
from tests.simulation.play import Verdict, play, unchecked
from tests.simulation.programs import OBJECT, WORKFLOW
from tests.simulation.service import Attempt, Course
from tests.simulation.topic_echoes import TopicEchoes
from tests.simulation.topic_ledgers import LOG, TopicLedgers
from tests.simulation.topic_outsiders import (
    ANSWERS,
    ELSE,
    INGRESS,
    LETTERS,
    OUT,
    TOO_LARGE,
    Outsiders,
)
from tests.simulation.topic_shells import topics_on
from tests.simulation.topic_strangers import Strangers
from tests.simulation.topic_trouble import TopicTrouble
from tests.simulation.user_broker import UserBroker, UserFaults
from tests.simulation.user_writer import VALUE_BYTES_MAX
from tests.simulation.world import World

EVENTS_MAX = 4_000  # a world has some hundreds, the largest of 104 had 1,600
EVENTS, STATES = "perdure.events", ("perdure.state.Thing", "perdure.state.Flow")


@dataclass
class Subscribed:
    """A subscription, as metadata has it."""

    id: str
    topic: str
    sink: tuple[str, str]
    max_in_flight: int
    generation: int = 1
    gaps_passed: int = 0
    is_paused: bool = False
    is_deleted: bool = False
    starts: dict[int, dict[int, int]] = field(default_factory=dict)  # generation -> by partition

    def start_of(self, source: Source, generation: int) -> int:
        return self.starts.get(generation, {}).get(source.partition, 0)


class TopicWorld(World):
    """Topics on."""

    def __init__(self, seed: int, loop: VirtualLoop) -> None:
        super().__init__(seed, loop, topic_plan(seed))
        chance = self._chance = Random(f"topics {seed}")
        calm = chance.random() < 0.15
        self.user_faults = UserFaults(
            away=0.0 if calm else chance.choice((0.0, 0.1, 0.3)),
            commit_unknown=0.0 if calm else chance.choice((0.0, 0.2, 0.5)),
            latency_s=chance.choice((0.001, 0.02, 0.1)),
        )
        slow = Random(f"slow {seed}")
        self.user_faults.slow = 0.0 if calm else slow.choice((0.0, 0.0, 0.1, 0.3))
        self.broker = UserBroker(loop, Random(f"users {seed}"), self.user_faults, slow)
        self.subscriptions = _subscriptions(seed, chance)
        for one in self.subscriptions:
            if one.topic not in self.broker.topics:
                self.broker.make(one.topic, chance.choice((1, 2)))
            if one.topic != "once":  # which is made anew: another topic has no start
                there = self.broker.topics[one.topic].partitions
                one.starts[1] = dict.fromkeys(range(len(there)), 0)
        published = () if seed % 4 == 2 else (LETTERS,)  # without: who is to have it says so
        for name in (OUT, ELSE, ANSWERS, *published, EVENTS, STATES[0]):
            self.broker.make(name, 2)
        self.metadata.register_late()
        self.outsiders = Outsiders(self, chance)
        if Random(f"listens {seed}").random() < 0.1:
            listening = Subscribed("sub_events", EVENTS, ("Plain", "brief"), 3)
            self.subscriptions.append(listening)
        self.gaps: list[tuple[Source, int, int, int]] = []
        self.redriven: list[bytes] = []
        self.pauses: list[tuple[str, int, int]] = []  # subscription, from and until when
        self.is_late_served = True
        self.fenced: dict[tuple[int, str, int], tuple[int, int]] = {}
        self.version = 1_000_000
        self._stored: TopicsState | None = None
        self._has_feeds = False
        self._has_extra = True
        self.is_extra_away = seed % 3 != 0  # until it is deleted
        self.intakes: dict[int, TopicIntake] = {}  # by the number of the node
        self.echoes = TopicEchoes(self)
        self.ledgers = TopicLedgers(self)
        self.strangers = Strangers(self)
        self._left = chance.choice((20, 40))

    # --- metadata of topics ---

    @property
    def stored(self) -> TopicsState:
        if self._stored is None:
            self._stored = TopicsState(
                {name: StoredCluster(name, ()) for name in self._clusters()},
                {one.id: self._stored_of(one) for one in self.subscriptions if not one.is_deleted},
                self._has_feeds,
                (WORKFLOW, OBJECT) if self._has_feeds else (),
                taken_over={LOG: self.ledgers.taken_over},
            )
        return self._stored

    def _clusters(self) -> tuple[str, ...]:
        return ("log", "extra") if self._has_extra else ("log",)

    def _delete_extra(self) -> None:
        self._has_extra = False
        self.change_metadata()

    def _stored_of(self, one: Subscribed) -> StoredSubscription:
        starts: tuple[StoredStart, ...] = ()
        topic = self.broker.topics[one.topic]
        if one.generation in one.starts:
            latest = one.starts[one.generation]
            offsets = tuple(latest[n] for n in sorted(latest))
            since = (one.generation,) * len(offsets)
            starts = (StoredStart(one.topic, topic.id, offsets, since),)
        return StoredSubscription(
            one.id,
            "",
            "log",
            (one.topic,),
            *one.sink,
            max_in_flight=one.max_in_flight,
            dead_letter_failures=True,
            starts=starts,
            generation=one.generation,
            gaps_passed=one.gaps_passed,
            paused=one.is_paused,
            kafka_id=self.broker.kafka_id,
        )

    def change_metadata(self) -> None:
        """Nodes that know metadata at all hear of it now, or at their next look."""
        self.version += 1
        self._stored = None
        if self.current is not None:
            self._tell_metadata(self.current)

    def _tell_metadata(self, node: Node) -> None:
        if node.is_alive and node.knows_metadata:
            self.intakes[node.number].metadata_changed(node.registry())

    def pause(self, one: Subscribed, until_s: float) -> None:
        """All processes hear of it, those that were replaced too."""
        one.is_paused = True
        self.pauses.append((one.id, self.now_ms(), self.now_ms() + int(until_s * 1000)))
        self.change_metadata()
        for node in self.nodes:
            self._tell_metadata(node)

    def known_services(self, services: dict[str, Any]) -> dict[str, Any]:
        """Those that are served now."""
        if self.is_late_served:
            return services
        return {name: one for name, one in services.items() if name != LATE}

    def sources(self) -> Iterator[tuple[Source, Subscribed]]:
        for one in self.subscriptions:
            topic = self.broker.topics[one.topic]
            for number in range(len(topic.partitions)):
                yield Source(one.id, one.topic, topic.id, number, "log"), one

    def subscription(self, known_as: str) -> Subscribed:
        return next(one for one in self.subscriptions if one.id == known_as)

    def sends_of(self, tokens: set[str]) -> Iterator[tuple[str, str]]:
        """(where, token) of what programs that came to their end have sent."""
        for token in sorted(tokens):
            for where in self.outsiders.sends_of(token):
                yield where, token

    def _landed(self, number: int) -> None:
        super()._landed(number)
        self.echoes.landed(number)

    # --- outsiders ---

    async def run(self) -> None:
        chance = self._chance
        for _ in range(self._left):
            self.loop.call_later(chance.random() * self.plan.trouble_s, self.outsiders.produce)
        TopicTrouble(self, chance).begin()
        self.echoes.begin()
        self.ledgers.begin()
        self.strangers.begin()
        self.loop.call_later(chance.random() * self.plan.trouble_s, self._switch_feeds)
        late_s = self.plan.trouble_s if self.seed % 5 < 2 else 0.0  # its feed waits for a topic
        self.loop.call_later(late_s, self.broker.make, STATES[1], 2)
        if self.is_extra_away:
            at_s = (0.5 + chance.random()) * self.plan.trouble_s
            self.loop.call_later(at_s, self._delete_extra)
        await super().run()

    def _switch_feeds(self) -> None:
        """Those of events and state, some time after the beginning."""
        self._has_feeds = True
        self.change_metadata()

    # --- the course ---

    def _calm_down(self) -> None:
        vars(self.user_faults).update(vars(UserFaults(latency_s=self.user_faults.latency_s)))
        super()._calm_down()

    def _unsettled(self) -> list[str]:
        if sum(held.next for held in self.broker.topics[EVENTS].partitions) > EVENTS_MAX:
            self.oracle.broken("feeds", "events without end")
            return []
        found = super()._unsettled()
        if found:
            return found
        for source, how in self.sources():
            row = None
            for number in range(self.plan.partitions):
                row = row or self._source_row(number, source)
            end = self.broker.topics[source.topic].partitions[source.partition].next
            if how.is_deleted:
                is_done = row is None
            else:
                is_done = row is not None and _has_read_all(row, how, end)
            if not is_done:
                found.append(f"source {source.topic}/{source.partition} {row} of {end}")
        return found

    def _source_row(self, number: int, source: Source) -> SourceRow | None:
        assert self.current is not None
        with self.current.probed():
            row: SourceRow | None = self.state_of(number).sources.get(source_key(source))
            return row


def _has_read_all(row: SourceRow, how: Subscribed, end: int) -> bool:
    return row.generation == how.generation and row.position >= end and not row.live


def _subscriptions(seed: int, chance: Random) -> list[Subscribed]:
    found = [
        Subscribed("sub_orders", "orders", (OBJECT, "write"), chance.choice((0, 1, 3))),
        Subscribed("sub_jobs", "jobs", ("Plain", "brief"), chance.choice((0, 1, 3))),
        Subscribed("sub_flows", "flows", (WORKFLOW, "run"), chance.choice((0, 2))),
        Subscribed("sub_once", "once", ("Plain", "run"), chance.choice((0, 2))),
        Subscribed("sub_ingress", INGRESS, ("", ""), chance.choice((0, 2))),
        Subscribed("sub_late", "late", (LATE, "run"), chance.choice((0, 2))),
    ]
    if Random(f"leaves {seed}").random() < 0.4:
        found.append(Subscribed("sub_leaving", "orders", (OBJECT, "write"), 2))
    return found


def topic_plan(seed: int) -> Plan:
    """That of the seed, without what concerns the log itself."""
    plan = make_plan(seed)
    plan.tail_lost = plan.alien = plan.versions = plan.disk = False
    plan.node.lagging = 0.0
    plan.remade, plan.loss_count, plan.hung_count = "", 0, 0
    plan.jump_count = plan.removal_count = 0
    plan.wishes = plan.wishes[:6]
    plan.rebirth_count = plan.hurry_count = plan.resend_count = 0
    plan.long = False
    kept_ms = 1_000 if seed % 2 else LETTERS_KEPT_MS
    plan.options = replace(plan.options, dead_letter_retention_ms=kept_ms)
    return plan


# --- what handlers send ---


def produce(a: Attempt, op: list[Any], where: str) -> Course:
    """Send a record: by a call that waits for it, or one-way."""
    _, awaited, topic = op
    more = {"cluster": "extra"} if topic == ELSE else {}
    text = where if topic != TOO_LARGE else where.ljust(VALUE_BYTES_MAX + 1)
    to = topic if topic != TOO_LARGE else OUT
    body = json.dumps({"topic": to, "key": where, "value_text": text, **more}).encode()
    id_completion = a.completion_id()
    if not awaited:
        a.command(wire.OneWayCallCommand("Kafka", "send", body, id_completion))
        return
    completion_id = a.completion_id()
    a.command(wire.CallCommand("Kafka", "send", body, id_completion, completion_id))
    result = yield from handlers.wait(a, ("c", completion_id))
    if result.failure is not None and result.failure.code == 409:
        return  # an operator killed the send
    if topic == ELSE and result.failure is not None:
        if result.failure.code not in (400, 500):
            a.oracle.broken("sends", f"{where} was told {result} of a broker cluster that is gone")
    elif topic in (OUT, ELSE):
        told = json.loads(result.value or b"{}")
        if told.get("topic") != topic:
            a.oracle.broken("sends", f"{where} was told {result}")
    elif result.failure is None or result.failure.code != (413 if topic == TOO_LARGE else 404):
        a.oracle.broken("sends", f"{where} was told {result} of what can never be sent")


handlers.OPS["produce"] = produce


def simulate_topics(seed: int, to_its_end: bool = True, is_checked: bool = True) -> Verdict:
    """One world with topics, from its beginning to its end, or until a rule is broken."""
    asyncio.set_event_loop(None)
    world = TopicWorld(seed, VirtualLoop())
    if not to_its_end:
        world.oracle.when_broken = partial(setattr, world.loop, "is_given_up", True)
    around: list[AbstractContextManager[object]] = [
        bounded(make_bounds(seed), world.oracle),
        patched(repeating),
        patched(small_slices),
        patched(topics_on(world)),
    ]
    return play(world, around, topic_checkers.check_topics if is_checked else unchecked)
