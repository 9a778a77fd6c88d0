"""The topic of the log is deleted and made anew: another one, empty, under the same name.

Nothing that the old one acknowledged may be answered as if it had never been, nothing may be
acknowledged that only the new one has, and every partition stops, or the node does not start.
"""

import asyncio
from random import Random
from typing import TYPE_CHECKING

from orchestrator.log.known import LogGone
from orchestrator.processor.port import Accepted, NotReady, Reply, Result, Unknown
from tests.simulation.clients import Wish, look
from tests.simulation.node import Node

if TYPE_CHECKING:
    from tests.simulation.faults import Trouble
    from tests.simulation.world import World

CODE = "PD0109"
NOTICED_S = 8.0  # a look every 5 s, and what comes after it
ASKED_AGAIN_S = 0.5
FRESH_MS = 30_000  # what expires meanwhile may be unknown


async def remake(world: "World", node: Node) -> None:
    """Under a node that runs, or while none does."""
    random = Random(f"remaking {world.seed}")
    known = await _results(world)
    world.oracle.awaits_stop = True
    if world.plan.remade == "down":
        node.kill()
        world.remake_topic()
        await asyncio.sleep(0.5)
        try:
            node = await world.start_node()
        except LogGone:
            if any(world.topic.messages):
                world.oracle.broken("log made anew", "something was appended to it")
            return
        world.oracle.broken("log made anew", "a node starts on another log")
    else:
        world.remake_topic()
    until_s = world.loop.now_s + NOTICED_S
    while world.loop.now_s < until_s:
        some = random.sample(known, min(3, len(known)))
        await asyncio.gather(*(_ask(world, node, wish) for wish in some))
        await asyncio.sleep(ASKED_AGAIN_S)
    _check_stopped(world, node)


async def remake_amid(world: "World", trouble: "Trouble") -> None:
    """While clients are at work, and whatever else goes wrong."""
    random = Random(f"remaking {world.seed}")
    others = world.loop.create_task(trouble.run())
    await asyncio.sleep((0.3 + 0.7 * random.random()) * world.plan.trouble_s)
    world.oracle.awaits_stop = True
    world.remake_topic()
    await others
    await asyncio.sleep(NOTICED_S)
    count = sum(map(len, world.topic.messages))
    await asyncio.sleep(ASKED_AGAIN_S)
    if sum(map(len, world.topic.messages)) > count:
        world.oracle.broken("log made anew", "it is still appended to")
    for node in world.nodes:
        _check_stopped(world, node)


async def _results(world: "World") -> list[Wish]:
    """Those that are done, and will be known for a while."""
    found = []
    for wish in world.plan.wishes:
        if wish.invoke is None:
            continue
        reply = await look(world, wish.id, world.next_number())
        latest_ms = world.now_ms() + FRESH_MS
        if isinstance(reply, Result) and reply.expires_at_ms > latest_ms:
            found.append(wish)
    return found


async def _ask(world: "World", node: Node, wish: Wish) -> None:
    """For its result, and for the same once more."""
    assert wish.invoke is not None
    replies: list[Reply] = []
    node.processor.engine.output(wish.id, replies.append)
    forget = node.processor.engine.invoke(wish.invoke, True, replies.append)
    await asyncio.sleep(ASKED_AGAIN_S)
    forget()
    for reply in replies:
        is_new = isinstance(reply, Accepted) and reply.created
        if is_new or isinstance(reply, Unknown | NotReady):
            world.oracle.broken(
                "log made anew", f"{wish.program['token']} is done, and is told {reply}"
            )


def _check_stopped(world: "World", node: Node) -> None:
    stopped = node.processor.stopped()
    if node.processor.leading() or len(stopped) < world.plan.partitions:
        world.oracle.broken("log made anew", f"only {stopped} stop")
    for number, reason in stopped.items():
        if CODE not in reason:
            world.oracle.broken("log made anew", f"partition {number} stops for {reason}")
