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
from tests.simulation.mutation import patched
from tests.simulation.node import repeating, small_slices
from tests.simulation.plan import Plan, make_plan
from tests.simulation.play import Verdict, play
from tests.simulation.programs import OBJECT, OBJECT_KEYS, WILD_KEYS, WORKFLOW
from tests.simulation.service import Attempt, Course
from tests.simulation.topic_shells import topics_on
from tests.simulation.topic_trouble import TopicTrouble
from tests.simulation.user_broker import ABORTED, COMMITTED, Transaction, UserBroker, UserFaults
from tests.simulation.world import World

OUT, ANSWERS, LETTERS = "out", "answers", "perdure.dlq"
ELSE = "else"  # of another broker cluster, which may be deleted
EVENTS_MAX = 8_000  # a world has some hundreds
EVENTS, STATES = "perdure.events", "perdure.state.Thing"


@dataclass
class Subscribed:
    """A subscription, as metadata has it."""

    id: str
    topic: str
    sink: tuple[str, str]
    max_in_flight: int
    generation: int = 1
    gaps_passed: int = 0
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
        self.broker = UserBroker(loop, Random(f"users {seed}"), self.user_faults)
        self.subscriptions = [
            Subscribed("sub_orders", "orders", (OBJECT, "write"), chance.choice((0, 1, 3))),
            Subscribed("sub_jobs", "jobs", ("Plain", "brief"), chance.choice((0, 1, 3))),
            Subscribed("sub_flows", "flows", (WORKFLOW, "run"), chance.choice((0, 2))),
            Subscribed("sub_once", "once", ("Plain", "run"), chance.choice((0, 2))),
        ]
        for one in self.subscriptions:
            self.broker.make(one.topic, chance.choice((1, 2)))
        published = () if seed % 4 == 2 else (LETTERS,)  # without: who is to have it says so
        for name in (OUT, ELSE, ANSWERS, *published, EVENTS, STATES):
            self.broker.make(name, 2)
        self._produced_to = list(self.subscriptions)
        if Random(f"listens {seed}").random() < 0.1:
            listening = Subscribed("sub_events", EVENTS, ("Plain", "brief"), 3)
            self.subscriptions.append(listening)
        self.gaps: list[tuple[Source, int, int, int]] = []
        self.redriven: list[bytes] = []
        self._sends: dict[str, list[str]] = {}  # token -> where its program sends to OUT
        self.version = 1_000_000
        self._stored: TopicsState | None = None
        self._has_feeds = False
        self._has_extra = True
        self.is_extra_away = seed % 3 != 0  # until it is deleted
        self.intakes: dict[int, TopicIntake] = {}  # by the number of the node
        self._left = chance.choice((20, 40))

    # --- metadata of topics ---

    @property
    def stored(self) -> TopicsState:
        if self._stored is None:
            self._stored = TopicsState(
                {name: StoredCluster(name, ()) for name in self._clusters()},
                {one.id: self._stored_of(one) for one in self.subscriptions},
                self._has_feeds,
                (OBJECT,) if self._has_feeds else (),
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
            offsets = tuple(latest[n] for n in range(len(topic.partitions)))
            starts = (StoredStart(one.topic, topic.id, offsets),)
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
        )

    def change_metadata(self) -> None:
        """Nodes that know metadata at all hear of it now, or at their next look."""
        self.version += 1
        self._stored = None
        node = self.current
        if node is not None and node.is_alive and node.knows_metadata:
            self.intakes[node.number].metadata_changed(node.registry())

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
            for where in self._sends.get(token, ()):
                yield where, token

    # --- outsiders ---

    async def run(self) -> None:
        chance = self._chance
        for _ in range(self._left):
            self.loop.call_later(chance.random() * self.plan.trouble_s, self._produce)
        TopicTrouble(self, chance).begin()
        self.loop.call_later(chance.random() * self.plan.trouble_s, self._switch_feeds)
        if self.is_extra_away:
            at_s = (0.5 + chance.random()) * self.plan.trouble_s
            self.loop.call_later(at_s, self._delete_extra)
        await super().run()

    def _produce(self) -> None:
        """One record, or a few in a transaction that may be aborted."""
        chance, broker = self._chance, self.broker
        if chance.random() < 0.7:
            self._record(None)
            return
        transaction = Transaction()
        for _ in range(chance.randrange(1, 4)):
            self._record(transaction)
        state = chance.choice((COMMITTED, COMMITTED, ABORTED))
        broker.later(lambda: broker.finish(transaction, state), chance.random())

    def produce_to(self, one: Subscribed) -> None:
        self._record(None, one)

    def _record(self, transaction: Transaction | None, to_one: Subscribed | None = None) -> None:
        chance, plan = self._chance, self.plan
        one = to_one or chance.choice(self._produced_to)
        key: bytes | None = None
        headers: list[tuple[str, bytes | None]] = [("raw", b"\xff"), ("null", None)]
        if one.topic == "orders":
            name = chance.choice((*OBJECT_KEYS, *WILD_KEYS))
            key = chance.choice((name.encode(), name.encode(), name.encode(), None, b"\xff"))
            program = plan.programs.exclusive(name, wild=name in WILD_KEYS)
        elif one.topic == "flows":
            name = f"flow{chance.randrange(12)}"
            key, program = name.encode(), plan.programs.workflow(name)
        else:
            program = plan.programs.service()
        if one.topic == "once" and chance.random() < 0.7:
            headers.append(("perdure-idempotency-key", b"once%d" % chance.randrange(4)))
        for _ in range(chance.choice((0, 1, 2))):
            topic = chance.choice((OUT,) * 6 + ("missing", ELSE, ELSE))
            where = f"{program['token']}.{len(program['ops'])}"
            if topic == OUT:
                self._sends.setdefault(program["token"], []).append(where)
            program["ops"].append(["produce", chance.random() < 0.5, topic])
        if key is not None and key.decode(errors="replace") in WILD_KEYS and chance.random() < 0.5:
            program["ops"].append(["clear_all"])  # and what follows a feed hears of it
        if chance.random() < 0.1:
            program["ops"].append(["terminal"])
        if chance.random() < 0.6:
            headers.append(("perdure-reply-to", ANSWERS.encode()))
            headers.append(("perdure-correlation-id", program["token"].encode()))
        if chance.random() < 0.1:
            headers.append(("perdure-delay", b"300ms"))
        to = self.broker.topics[one.topic]
        body = json.dumps(program).encode()
        self.broker.append(to, -1, key, body, tuple(headers), transaction)

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
            if row is None or row.generation != how.generation or row.position < end or row.live:
                found.append(f"source {source.topic}/{source.partition} {row} of {end}")
        return found

    def _source_row(self, number: int, source: Source) -> SourceRow | None:
        assert self.current is not None
        with self.current.probed():
            row: SourceRow | None = self.state_of(number).sources.get(source_key(source))
            return row


def topic_plan(seed: int) -> Plan:
    """That of the seed, without what concerns the log itself."""
    plan = make_plan(seed)
    plan.tail_lost = plan.alien = plan.versions = plan.disk = False
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
    body = json.dumps({"topic": topic, "key": where, "value_text": where, **more}).encode()
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
    elif result.failure is None or result.failure.code != 404:
        a.oracle.broken("sends", f"{where} was told {result} of a topic that is not there")


handlers.OPS["produce"] = produce


def simulate_topics(seed: int, to_its_end: bool = True) -> Verdict:
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
    return play(world, around, topic_checkers.check_topics)
