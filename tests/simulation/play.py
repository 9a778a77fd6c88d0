"""From one seed to one verdict: a world is run, and checked when it has come to rest."""

import asyncio
import hashlib
import inspect
import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

from orchestrator.store.stamp import STAMP_KEY
from tests.simulation.bounds import bounded, make_bounds
from tests.simulation.checkers import check
from tests.simulation.clockwork import Deadlock, GivenUp, VirtualLoop
from tests.simulation.lagging import small_paces
from tests.simulation.mutation import patched
from tests.simulation.node import repeating, small_slices
from tests.simulation.oracle import Oracle
from tests.simulation.replay import contents
from tests.simulation.versions import versioned
from tests.simulation.world import World

STORE_FAILED = "PD0303"
NEEDS_NEWER = ("PD0308", "needs a newer version")


@dataclass
class Verdict:
    """What a seed came to."""

    seed: int
    digest: str
    violations: list[str]
    counts: dict[str, int]


class _Loud(logging.Handler):
    """What the product calls a fault of its own."""

    def __init__(self, oracle: Oracle) -> None:
        super().__init__(logging.ERROR)
        self._oracle = oracle

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if text.startswith(STORE_FAILED) or any(what in text for what in NEEDS_NEWER):
            return  # as it was told to
        if self._oracle.awaits_stop and " stops: PD0" in text:
            return
        why = ""
        if record.exc_info is not None and record.exc_info[1] is not None:
            why = f" ({record.exc_info[1]!r})"
        self._oracle.broken("logged", record.getMessage() + why)


def simulate(seed: int, to_its_end: bool = True, is_checked: bool = True) -> Verdict:
    """One world from its beginning to its end, or until a rule is broken."""
    asyncio.set_event_loop(None)
    world = World(seed, VirtualLoop())
    if not to_its_end:
        world.oracle.when_broken = partial(setattr, world.loop, "is_given_up", True)
    around: list[AbstractContextManager[object]] = [
        bounded(make_bounds(seed), world.oracle),
        patched(repeating),
        patched(small_slices),
    ]
    if world.plan.versions:
        around.insert(0, patched(versioned))
    if world.plan.node.lagging:
        around.append(patched(small_paces))
    return play(world, around, check if is_checked else unchecked)


def unchecked(world: Any) -> None:
    """For a story told again: that it is the same shows in its digest, which has the rows."""


def play(
    world: World,
    around: Sequence[AbstractContextManager[object]],
    checked: Callable[[Any], None] = check,
) -> Verdict:
    """Run it inside of all these, and check what it came to."""
    loop, digest = world.loop, ""

    def failed(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        world.oracle.broken("raised", repr(context.get("exception") or context["message"]))

    loop.set_exception_handler(failed)
    loud = _Loud(world.oracle)
    logger = logging.getLogger("perdure")
    before = logger.level, logger.propagate
    logger.addHandler(loud)
    logger.propagate = False
    logger.setLevel(logging.ERROR)
    try:
        with ExitStack() as stack:
            for context in around:
                stack.enter_context(context)
            loop.run_until_complete(world.run())
            digest = _digest(world)
            checked(world)
            if world.device is not None:
                world.device.lose_tail(world.plan.partitions)
    except GivenUp:
        pass
    except Deadlock as error:
        world.oracle.broken("liveness", str(error))
    except Exception as error:  # of the engine, while its log is applied again
        world.oracle.broken("raised", repr(error))
    finally:
        logger.removeHandler(loud)
        logger.setLevel(before[0])
        logger.propagate = before[1]
        world.oracle.when_broken = lambda: None
        _end(loop)
    found = world.oracle.violations
    return Verdict(world.seed, digest or _digest(world), found, dict(world.oracle.counts))


def _end(loop: VirtualLoop) -> None:
    for task in sorted(asyncio.all_tasks(loop), key=lambda t: t.get_name()):
        task.cancel()
        coroutine = task.get_coro()
        if (
            inspect.iscoroutine(coroutine)
            and inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED
        ):
            coroutine.close()  # its first step went with the world
    loop.is_given_up = False
    loop.set_exception_handler(lambda loop, context: None)
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()


def _digest(world: World) -> str:
    """Of all that was recorded, told and kept, but for the identity of the log, which is random."""
    digest = hashlib.sha256()
    for messages in world.history().messages:
        for message in messages:
            digest.update(message.offset.to_bytes(8, "big") + message.value)
    for number, partition in sorted(world.finals.items()):
        rows = contents(partition)
        rows.pop(STAMP_KEY, None)
        for key, value in sorted(rows.items()):
            digest.update(b"%d %b %b" % (number, key, value))
    for line in [*world.oracle.trace, *world.oracle.violations]:
        digest.update(line.encode() + b"\n")
    digest.update(str(world.loop.now_s).encode())
    return digest.hexdigest()
