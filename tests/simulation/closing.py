"""How a world ends: what runs comes to rest, and the leaders' last states are taken.

Before the end a world may meet a record that its processes do not know.
"""

import asyncio
from typing import TYPE_CHECKING

import msgspec

from orchestrator.codec.records import encode_message
from orchestrator.machine.apply_leader import LEVEL_MAX
from orchestrator.model.records import RaiseLevel
from tests.simulation.node import Node
from tests.simulation.remaking import remake
from tests.simulation.replay import settle

if TYPE_CHECKING:
    from tests.simulation.world import World


async def close(world: "World") -> None:
    node = world.current
    if world.plan.remade == "busy":
        for one in list(world.nodes):
            one.kill()
    elif node is not None and node.is_alive:
        node.fuse = -1
        await _come_to_rest(world, node)
        stopped = node.processor.stopped()
        if stopped:
            world.oracle.broken("stopped", str(stopped))
        _take_finals(world, node)
        if world.plan.alien:
            await _meet_alien(world, node)
            await _come_to_rest(world, node)  # the others went on meanwhile
            _take_finals(world, node)
        elif world.plan.remade:
            await remake(world, node)
        for one in list(world.nodes):
            one.kill()


async def _meet_alien(world: "World", node: Node) -> None:
    """A record of another kind, version, shape or level stops its partition, and no other."""
    number = world.random.randrange(world.plan.partitions)
    level = RaiseLevel(world.state_of(number).partition_row.epoch, LEVEL_MAX + 1)
    aliens = (
        b"\x02\x90",
        b"\x01" + msgspec.msgpack.encode([[99, 1]]),
        b"\x01" + msgspec.msgpack.encode([[21, bytes(24), world.now_ms(), "surplus"]]),
        *[encode_message([level])] * 2,
    )
    world.oracle.awaits_stop = True
    offset = world.topic.append(number, [world.random.choice(aliens)])
    await asyncio.sleep(world.plan.log.tail_s + 3)
    if list(node.processor.stopped()) != [number]:
        world.oracle.broken("records", f"an unknown record does not stop partition {number}")
    if len(node.processor.leading()) != world.plan.partitions - 1:
        world.oracle.broken("records", "a stopped partition takes others along")
    world.topic.cut(number, offset)


async def _come_to_rest(world: "World", node: Node) -> None:
    """What was begun in the last moment, as the purge of what expired, is ended; and what a
    replaced leader wrote late has been read."""
    for _ in range(300):
        if all(_is_at_rest(world, node, number) for number in range(world.plan.partitions)):
            return
        await asyncio.sleep(0.05)


def _is_at_rest(world: "World", node: Node, number: int) -> bool:
    seat = node.processor._seats.get(number)
    if seat is None or seat.partition is None:
        return True
    has_read_all = seat.partition.next_offset >= world.history().nexts[number]
    return has_read_all and seat.is_quiet


def _take_finals(world: "World", node: Node) -> None:
    for number in range(world.plan.partitions):
        seat = node.processor._seats.get(number)
        if seat is not None and seat.partition is not None:
            settle(seat.partition)
            world.finals[number] = seat.partition
