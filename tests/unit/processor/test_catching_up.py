"""Catching up with a log belongs to a term, also where that ends before the first look."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.tail import LeaderTail
from orchestrator.runtime.scheduler import LoopScheduler


async def _no_pause() -> None: ...


def test_a_seat_that_stepped_down_before_it_could_read_is_left_alone() -> None:
    ended: list[str] = []
    seat: Any = SimpleNamespace(number=0, term=object(), partition=None, stopped="")
    seat.start_reading = lambda: True
    seat.end_reading = lambda: ended.append("reading")

    async def story() -> None:
        tail = LeaderTail(seat, cast(Any, None), LoopScheduler(), ProcessorOptions(), _no_pause)
        tail.catch_up()
        seat.term = None  # it steps down in the same round of the loop
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    asyncio.run(story())
    assert not ended
