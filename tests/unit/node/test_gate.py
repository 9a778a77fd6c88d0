"""The gate: one partition that is stopped makes the node unready, and does not close its door."""

from orchestrator.node.gate import ENDING, STARTING, NodeGate
from orchestrator.processor.port import Unavailable
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import World


def test_a_stopped_partition_leaves_the_door_open_for_the_others() -> None:
    async def story() -> None:
        world = World(2)
        process = await world.led()
        await process.processor.close()
        world.topic.values[0].append(b"\x01\xff nonsense")
        again = await world.process()
        gate = NodeGate(again.processor)
        assert gate.closed() == gate.unready() == STARTING
        await again.until(lambda: 0 in again.processor.stopped())
        await again.until(lambda: again.processor.leading() == [1])
        gate.open()
        assert gate.closed() == ""
        assert "partition 0 is stopped" in gate.unready()
        (refused,) = await again.call(again.make(world.uid(0)))
        assert isinstance(refused, Unavailable) and not refused.kept
        assert len(await again.call(again.make(world.uid(1)))) == 2
        gate.close()
        assert gate.closed() == gate.unready() == ENDING
        await again.processor.close()

    run(story())
