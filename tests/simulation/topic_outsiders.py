"""Outsiders, who produce the records that subscriptions read: programs, and what cannot be used."""

import json
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.programs import OBJECT, OBJECT_KEYS, WILD_KEYS, Program
from tests.simulation.user_broker import ABORTED, COMMITTED, Transaction

if TYPE_CHECKING:
    from tests.simulation.topic_world import Subscribed, TopicWorld

OUT, ANSWERS, LETTERS = "out", "answers", "perdure.dlq"
ELSE = "else"  # of another broker cluster, which may be deleted
TOO_LARGE = "too large"  # for OUT
INGRESS = "perdure.ingress"
TARGETS = (("Plain", "run"), (OBJECT, "write"), ("Plain", "missing"), ("Nobody", "run"), None)

Headers = list[tuple[str, bytes | None]]


class Outsiders:
    """Of one world."""

    def __init__(self, world: "TopicWorld", chance: Random) -> None:
        self._world = world
        self._chance = chance
        self.to = list(world.subscriptions)  # those whose topics they produce to
        self._sends: dict[str, list[str]] = {}  # token -> where its program sends to OUT

    def sends_of(self, token: str) -> list[str]:
        return self._sends.get(token, [])

    def produce(self) -> None:
        """One record, or a few in a transaction that may be aborted."""
        chance, broker = self._chance, self._world.broker
        if chance.random() < 0.7:
            self.record(None)
            return
        transaction = Transaction()
        for _ in range(chance.randrange(1, 4)):
            self.record(transaction)
        state = chance.choice((COMMITTED, COMMITTED, ABORTED))
        broker.later(lambda: broker.finish(transaction, state), chance.random())

    def record(self, transaction: Transaction | None, to_one: "Subscribed | None" = None) -> None:
        chance, broker = self._chance, self._world.broker
        one = to_one or chance.choice(self.to)
        headers: Headers = [("raw", b"\xff"), ("null", None)]
        key, program = self._program(one, headers)
        self._send(key, program)
        if chance.random() < 0.1:
            program["ops"].append(["terminal"])
        if chance.random() < 0.6:
            headers.append(("perdure-reply-to", ANSWERS.encode()))
            headers.append(("perdure-correlation-id", program["token"].encode()))
        if chance.random() < 0.1:
            headers.append(("perdure-delay", b"300ms"))
        if chance.random() < 0.3:
            headers += [("twice", b"1"), ("kafka.offset", b"none"), ("twice", b"2")]
        topic = broker.topics[one.topic]
        broker.append(topic, -1, key, json.dumps(program).encode(), tuple(headers), transaction)

    def _program(self, one: "Subscribed", headers: Headers) -> tuple[bytes | None, Program]:
        """With the key that its record has."""
        chance, programs = self._chance, self._world.plan.programs
        sink: Any = one.sink
        if one.topic == INGRESS:
            sink = chance.choice(TARGETS) or ("", "")
            if sink[0]:
                headers.append(("perdure-service", sink[0].encode()))
            headers.append(("perdure-handler", sink[1].encode()))
        if sink[0] == OBJECT:
            name = chance.choice((*OBJECT_KEYS, *WILD_KEYS))
            key = chance.choice((name.encode(), name.encode(), name.encode(), None, b"\xff"))
            return key, programs.exclusive(name, wild=name in WILD_KEYS)
        if one.topic == "flows":
            name = f"flow{chance.randrange(12)}"
            if chance.random() < 0.1:
                headers.append(("perdure-idempotency-key", b"none is taken"))
            return name.encode(), programs.workflow(name)
        if one.topic == "once" and chance.random() < 0.7:
            headers.append(("perdure-idempotency-key", b"once%d" % chance.randrange(4)))
        return None, programs.service()

    def _send(self, key: bytes | None, program: Program) -> None:
        """It sends records itself, and clears what a feed tells of."""
        chance = self._chance
        for _ in range(chance.choice((0, 1, 2))):
            topic = chance.choice((OUT,) * 6 + ("missing", TOO_LARGE, ELSE, ELSE))
            where = f"{program['token']}.{len(program['ops'])}"
            if topic == OUT:
                self._sends.setdefault(program["token"], []).append(where)
            program["ops"].append(["produce", chance.random() < 0.5, topic])
        if key is not None and key.decode(errors="replace") in WILD_KEYS and chance.random() < 0.5:
            program["ops"].append(["clear_all"])
