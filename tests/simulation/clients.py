"""Clients: they ask again until they know, and hold the engine to what it said."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

import msgspec

from orchestrator.door.invocations import invocation_id_for, make_invoke
from orchestrator.model.answers import Answer
from orchestrator.model.invoke import Invoke
from orchestrator.model.values import Outcome
from orchestrator.processor.port import Accepted, Operation, Reply, Result, Unavailable, Unknown
from orchestrator.registry.schema import Registry
from tests.simulation.node import Node
from tests.simulation.oracle import Oracle
from tests.simulation.programs import WORKFLOW, Program, encode

RETRY_S = 0.2


class Surroundings(Protocol):
    """What clients need of their world."""

    oracle: Oracle
    random: Random

    async def node(self) -> Node:
        """A process that can be reached."""
        ...

    def registry(self) -> Registry: ...

    def now_ms(self) -> int: ...

    def fresh_id(self) -> bytes: ...


@dataclass
class Wish:
    """What a client wants done."""

    service: str
    handler: str
    key: str
    program: Program
    at_s: float
    idempotency_key: str | None = None
    delay_ms: int = 0
    wait: bool = True
    invoke: Invoke | None = None
    accepted: bool = False
    created_count: int = 0
    uncertain: bool = False  # a request of it may be in the log
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def is_derived(self) -> bool:
        """Its id is made from a key: the same one again may be another request."""
        return self.idempotency_key is not None or self.service == WORKFLOW

    @property
    def id(self) -> bytes:
        assert self.invoke is not None
        return self.invoke.id


class _Lost:
    """The connection broke."""


LOST = _Lost()


def describe(reply: object) -> str:
    """A reply without what depends on nothing but memory."""
    return repr(reply) if not isinstance(reply, _Lost) else "lost"


class Client:
    """One request, until its result (or, for a send, its acceptance) is known."""

    def __init__(self, world: Surroundings, wish: Wish, number: int) -> None:
        self._world = world
        self._wish = wish
        self._number = number

    async def run(self) -> None:
        wish = self._wish
        await asyncio.sleep(wish.at_s)
        while not await self._try():
            await asyncio.sleep(RETRY_S)

    def _refused(self, reply: Reply | _Lost) -> None:
        """Who is told that nothing was taken may well ask in another way."""
        wish = self._wish
        wish.uncertain |= not isinstance(reply, Unavailable) or reply.kept or wish.accepted
        if not wish.uncertain and not wish.is_derived and self._world.random.random() < 0.5:
            wish.invoke = None

    def _resolve(self, node: Node) -> Invoke | None:
        """The id is made once: the same one again is the same wish, at another time and, as over
        HTTP, by another request."""
        wish = self._wish
        if wish.invoke is not None:
            now_ms = self._world.now_ms()
            start_at_ms = now_ms + wish.delay_ms if wish.delay_ms else 0
            return msgspec.structs.replace(
                wish.invoke, created_at_ms=now_ms, start_at_ms=start_at_ms, request=0
            )
        handler = node.registry().handler(wish.service, wish.handler)
        if handler is None:
            return None
        now_ms = self._world.now_ms()
        invocation_id = invocation_id_for(
            handler, wish.key, wish.idempotency_key, self._world.fresh_id
        )
        wish.invoke = make_invoke(
            handler,
            invocation_id,
            wish.key,
            encode(wish.program),
            (),
            now_ms,
            idempotency_key=wish.idempotency_key,
            start_at_ms=now_ms + wish.delay_ms if wish.delay_ms else 0,
        )
        return wish.invoke

    async def _try(self) -> bool:
        """True when there is nothing more to be known."""
        world, wish = self._world, self._wish
        node = await world.node()
        invoke = self._resolve(node)
        if invoke is None:
            return False
        replies: asyncio.Queue[Any] = asyncio.Queue()
        node.waiting[self._number] = lambda: replies.put_nowait(LOST)
        forget = node.processor.engine.invoke(invoke, wish.wait, replies.put_nowait)
        try:
            while True:
                reply = await replies.get()
                world.oracle.note(f"{self._number} {wish.program['token']} {describe(reply)}")
                if isinstance(reply, Accepted):
                    wish.accepted = True
                    wish.created_count += reply.created
                    if not wish.wait:
                        return True
                elif isinstance(reply, Result):
                    wish.outcomes.append(reply.outcome)
                    return True
                else:
                    self._refused(reply)
                    return False
        finally:
            node.waiting.pop(self._number, None)
            forget()


async def watch(world: Surroundings, wish: Wish, number: int, after_s: float) -> None:
    """Somebody else attaches to the result of a request, and asks again until it is known."""
    await asyncio.sleep(after_s)
    while True:
        if wish.accepted:
            reply = await _attach(await world.node(), wish.id, number)
            world.oracle.note(f"{number} attaches {describe(reply)}")
            if isinstance(reply, Result):
                world.oracle.counts["attached"] += 1
                wish.outcomes.append(reply.outcome)
            if isinstance(reply, Result | Unknown):
                return
        await asyncio.sleep(RETRY_S)


async def operate(world: Surroundings, operation: Operation, number: int) -> Answer | None:
    """Ask once; None if what became of it is not known."""
    node = await world.node()
    answer = await _ask(
        node,
        number,
        lambda told: node.processor.engine.operate(operation, told),
    )
    world.oracle.note(f"{number} {type(operation).__name__} {describe(answer)}")
    return answer if isinstance(answer, Answer) else None


async def look(world: Surroundings, invocation_id: bytes, number: int) -> Reply | None:
    """The output as it is now; None if nobody can say."""
    node = await world.node()
    reply = await _ask(node, number, lambda told: node.processor.engine.output(invocation_id, told))
    return None if isinstance(reply, _Lost | Unavailable) else reply


async def _attach(node: Node, invocation_id: bytes, number: int) -> Any:
    return await _ask(node, number, lambda told: node.processor.engine.attach(invocation_id, told))


async def _ask(node: Node, number: int, ask: Callable[[Callable[[Any], None]], object]) -> Any:
    answers: asyncio.Queue[Any] = asyncio.Queue()
    node.waiting[number] = lambda: answers.put_nowait(LOST)
    ask(answers.put_nowait)
    try:
        return await answers.get()
    finally:
        node.waiting.pop(number, None)
