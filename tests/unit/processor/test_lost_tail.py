"""A log that loses its tail under a leader."""

import asyncio

from orchestrator.log.port import Batch, Done
from tests.unit.processor.looking import find
from tests.unit.processor.test_faults import announcements
from tests.unit.processor.virtual_loop import run
from tests.unit.processor.world import World


def test_a_log_that_loses_its_tail_under_a_leader_is_read_anew() -> None:
    """The next append takes the place of what was applied: by a call, or by an announcement."""

    async def story(with_announcement: bool) -> None:
        world = World(1)
        process = await world.led({"never": lambda _: None}, spill_s=0.01)
        process.log.is_deaf = True
        kept, lost, later = world.uid(), world.uid(), world.uid()
        await process.call(process.make(kept))
        end = world.topic.next_offset(0)
        process.send(process.make(lost, "never"), wait=False)
        await process.until(lambda: find(process.processor, lost) is not None)
        await asyncio.sleep(1)  # the store has it
        append = process.log.append

        def losing(batch: Batch, done: Done) -> None:
            process.log.append = append  # type: ignore[method-assign]
            if with_announcement:
                process.log.lose[0] = False
                append(batch, done)
                process.log.append = losing_announced  # type: ignore[method-assign]
            else:
                world.topic.cut(0, end)
                append(batch, done)

        def losing_announced(batch: Batch, done: Done) -> None:
            process.log.append = append  # type: ignore[method-assign]
            world.topic.cut(0, world.topic.next_offset(0) - 1)
            append(batch, done)

        process.log.append = losing  # type: ignore[method-assign]
        process.send(process.make(later), wait=False)
        await process.until(lambda: announcements(process) > 1)
        await process.until(lambda: process.processor.leading() == [0])
        assert process.processor.stopped() == {}
        assert find(process.processor, lost) is None and find(process.processor, kept) is not None
        assert len(await process.call(process.make(world.uid()))) == 2
        await process.processor.close()
        again = await world.led({"never": lambda _: None})
        assert find(again.processor, lost) is None and find(again.processor, kept) is not None
        await again.processor.close()

    run(story(False))
    run(story(True))
