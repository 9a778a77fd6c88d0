"""Trouble: crashes, zombies and operations while clients are at work."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING

from orchestrator.admin.restart import RestartRefused, check_restartable, restarted
from orchestrator.model.records import (
    Cancel,
    Kill,
    PatchState,
    Pause,
    Purge,
    PurgeJournal,
    Resume,
    Signal,
)
from orchestrator.model.rows import CompletedRow
from tests.simulation.clients import Wish, operate
from tests.simulation.echoes import Echoes
from tests.simulation.programs import OBJECT, REBORN_STYLES, SERVICE, WILD_KEYS, WORKFLOW
from tests.unit.processor.looking import find, journal

if TYPE_CHECKING:
    from tests.simulation.world import World

HOUR_MS, YEAR_MS = 3_600_000, 365 * 86_400_000
UNDER_WAY_S = 0.5
BEGUN_S = 1.5
FAR = 0.4  # of the steps of the wall clock
ECHOES_AFTER_S = (0.0, 0.1, 0.4)  # some of them while the later life is at work


async def take_over(world: "World", random: Random) -> None:
    """Another process takes over, and this one is ended a while later."""
    node = world.current
    if world.plan.disk or node is None or not node.is_alive:
        return
    node.is_zombie = True
    heir = await world.start_node()
    over_s = world.loop.now_s + random.random() * 1.5
    until_s = max(node.rivals_until_s, over_s + world.plan.log.tail_s)
    for rival in (node, heir, *world.nodes):
        rival.rivals_until_s = max(rival.rivals_until_s, until_s)
    await asyncio.sleep(over_s - world.loop.now_s)
    node.kill()


class Trouble:
    """Everything that goes wrong in a world, at moments the seed decides."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._plan = world.plan
        self._random = world.random
        self._more = Random(f"more trouble of {world.seed}")
        self._removals = Random(f"removals of {world.seed}")
        self._echoes = Echoes(world, self._more)
        self._rebirth_count = 0

    async def run(self) -> None:
        plan = self._plan
        tasks = [
            *self._times(plan.crash_count, self._crash),
            *self._times(plan.zombie_count, self._zombie),
            *self._times(plan.echo_count, self._echoes.anything),
            *self._times(plan.revoke_count, self._revoke),
            *self._times(plan.full_count, self._full),
            *self._times(plan.operation_count, self._operate),
            *self._times(len(self._world.plan.wishes), self._answer),
            *self._times(plan.rebirth_count, self._rebirth),
            *self._times(plan.hurry_count, self._hurry),
            *self._times(1, self._deploy),
            *self._times(plan.jump_count, self._jump, self._more),
            *self._times(plan.resend_count, self._echoes.transfer, self._more),
            *self._times(plan.restart_count, self._restart, self._more),
            *self._times(plan.stale_count, self._echoes.stale_flush, self._more),
            *self._times(plan.loss_count, self._lose_tail, self._more),
            *self._times(plan.removal_count, self._remove_deployment, self._removals),
            *self._times(int(plan.versions), self._upgrade, self._removals),
        ]
        await asyncio.sleep(plan.trouble_s)
        await asyncio.wait(tasks, timeout=10.0)
        for task in tasks:
            task.cancel()

    def _times(
        self, count: int, act: Callable[[], Awaitable[None]], random: Random | None = None
    ) -> list["asyncio.Task[None]"]:
        chance = random if random is not None else self._random

        async def later(delay_s: float) -> None:
            await asyncio.sleep(delay_s)
            await act()

        spans = [chance.random() * self._plan.trouble_s for _ in range(count)]
        return [self._world.loop.create_task(later(span)) for span in spans]

    # --- processes ---

    async def _crash(self) -> None:
        node = await self._world.node()
        node.fuse = self._random.randrange(self._plan.fuse_max)

    async def _zombie(self) -> None:
        """Another process takes over; this one does not know, until it is ended."""
        await take_over(self._world, self._random)

    async def _revoke(self) -> None:
        node = await self._world.node()
        number = self._random.randrange(self._plan.partitions)
        node.log.revoke(number)
        await asyncio.sleep(self._random.random() * 0.5)
        node.log.assign(number)

    async def _full(self) -> None:
        device = self._world.device
        self._plan.log.full = True
        if device is not None:
            device.fill(True)
        await asyncio.sleep(self._random.random() * 2)
        self._plan.log.full = False
        if device is not None:
            device.fill(False)

    async def _lose_tail(self) -> None:
        """Under a leader that does not know."""
        self._world.lose_tail(is_led=True)

    async def _deploy(self) -> None:
        self._world.metadata.deploy()

    async def _upgrade(self) -> None:
        """Every process is replaced by one of the newer version, then the level is raised; one of
        the older version that is started after that must serve nothing of the new level."""
        world = self._world
        world.versions.is_upgraded = True
        while any(not node.is_newer for node in world.nodes) or not world.is_led():
            for node in list(world.nodes):
                if not node.is_newer:
                    node.kill()
            await asyncio.sleep(0.1)
        world.raise_level()
        world.versions.is_raised = True
        await asyncio.sleep(0.3)
        if self._removals.random() < 0.7:
            world.flush_stores()  # as an orderly end does
        (await world.node()).kill()
        await asyncio.sleep(0.5 + self._removals.random() * 2)
        for node in list(world.nodes):
            if not node.is_newer:
                world.check_outdated(node)
                node.kill()

    async def _remove_deployment(self) -> None:
        """What runs on it fails, and goes on elsewhere when somebody says so."""
        metadata = self._world.metadata
        metadata.remove(self._removals)
        self._world.oracle.counts["removals"] += 1
        if not metadata.is_served():
            self._world.oracle.broken("deployments", "a service is gone that one still serves")
        await asyncio.sleep(self._removals.random() * 2)
        if self._removals.random() < 0.5:
            self._world.metadata.deploy()

    async def _jump(self) -> None:
        """Somebody sets the wall clock of the machine."""
        by_ms = self._more.choice((50, 700, 5_000))
        by_ms = self._more.choice((by_ms, -by_ms))
        if self._more.random() < FAR:
            by_ms = self._more.choice((HOUR_MS, YEAR_MS)) * self._more.choice((1, -1))
            self._world.oracle.has_jumped_far = True
            # A due time that is under way is one of the clock that was: nobody can know better.
            while self._world.loop.time() < self._world.oracle.due_told_s + UNDER_WAY_S:
                await asyncio.sleep(0.1)
        self._world.loop.set_clock(by_ms)

    # --- operations ---

    async def _operate(self) -> None:
        random, now_ms = self._random, self._world.now_ms()
        if random.random() < 0.15:
            await self._patch(now_ms)
            return
        target = self._target()
        if target is None:
            return
        kind = random.choice((Cancel, Kill, Pause, Resume, Purge, PurgeJournal, "bounce"))
        if kind == "bounce":
            await asyncio.gather(self._do(Pause(target, now_ms)), self._do(Resume(target, now_ms)))
        else:
            await self._do(kind(target, now_ms))  # type: ignore[operator]

    def _target(self) -> bytes | None:
        known = [wish.id for wish in self._plan.wishes if wish.invoke is not None]
        known += [invocation_id for invocation_id, _ in self._world.rows()]
        return self._random.choice(known) if known else None

    async def _do(self, operation: Cancel | Kill | Pause | Resume | Purge | PurgeJournal) -> None:
        number = self._world.next_number()
        self._world.oracle.touched(type(operation).__name__, operation.target_id)
        await operate(self._world, operation, number)

    async def _rebirth(self) -> None:
        """A key is ended by force, forgotten and submitted again."""
        world = self._world
        key = f"re{world.next_number()}"
        self._rebirth_count += 1
        style = REBORN_STYLES[self._rebirth_count % len(REBORN_STYLES)]
        for number in range(self._random.choice((2, 3))):
            wish = Wish(
                WORKFLOW,
                "run",
                key,
                self._plan.programs.reborn(style, number),
                0.0,
                wait=number > 0,
            )
            self._plan.wishes.append(wish)
            world.submit(wish)
            await asyncio.sleep(self._random.random() * (0.3 if number == 0 else 1.2))
            await self._has_begun(wish)
            if wish.invoke is not None and number == 0:
                now_ms = world.now_ms()
                if self._plan.crash_count and self._random.random() < 0.3:
                    (await world.node()).fuse = self._random.randrange(40)
                await asyncio.gather(
                    self._do(Kill(wish.id, now_ms)), self._do(Purge(wish.id, now_ms))
                )
            elif wish.invoke is not None:
                for after_s in ECHOES_AFTER_S:
                    await asyncio.sleep(after_s)
                    self._echoes.of_earlier_life(wish.id)

    async def _has_begun(self, wish: Wish) -> None:
        """It did something, if it comes to it: lives of which nothing is known disturb nobody."""
        world = self._world
        until_s = world.loop.now_s + BEGUN_S
        while world.loop.now_s < until_s:
            row = None if wish.invoke is None else world.row_of(wish.id)
            if row is not None and row.commands > 1:
                return
            await asyncio.sleep(0.02)

    async def _restart(self) -> None:
        """Something that was done is done again as new, from somewhere in its journal."""
        world = self._world
        node = await world.node()
        done = [wish for wish in self._plan.wishes if wish.service == SERVICE and wish.outcomes]
        if not done:
            return
        wish = self._more.choice(done)
        with node.probed():
            row, frames = find(node.processor, wish.id), journal(node.processor, wish.id)
        if not isinstance(row, CompletedRow):
            return
        upto = self._more.randrange(len(frames)) if frames else 0
        identity = self._more.randbytes(16)
        try:
            check_restartable(row, len(frames), upto)
            invoke = restarted(
                row, [frame for _, frame in frames], upto, identity, row.deployment, world.now_ms()
            )
        except RestartRefused:
            return
        world.oracle.counts["restarts"] += 1
        again = Wish(wish.service, wish.handler, wish.key, wish.program, 0.0, invoke=invoke)
        again.uncertain = True  # asked for in one way only
        for invocation_id in (wish.id, again.id):
            world.oracle.touched("Restart", invocation_id)
        self._plan.wishes.append(again)
        world.submit(again)

    async def _hurry(self) -> None:
        """An impatient operator: resumes what runs or has just come to rest."""
        rows = self._world.rows()
        if rows:
            target, _ = self._random.choice(rows)
            await self._do(Resume(target, self._world.now_ms()))

    async def _patch(self, now_ms: int) -> None:
        key = self._random.choice(WILD_KEYS)
        pads = tuple((b"p%d" % number, b"." * 3000) for number in range(4))
        patch = PatchState(OBJECT, key, False, None, ((b"log", b'["patched"]'), *pads), now_ms)
        await operate(self._world, patch, self._world.next_number())

    async def _answer(self) -> None:
        """Complete an awakeable or a signal, perhaps one that was completed before."""
        oracle, random = self._world.oracle, self._random
        now_ms = self._world.now_ms()
        if oracle.awakeables:
            target, index = random.choice(oracle.awakeables)
            value = str(self._world.next_number()).encode()
            signal = Signal(target, index, "", value, now_ms)
            await operate(self._world, signal, self._world.next_number())
        if oracle.named and random.random() < 0.5:
            target, name = random.choice(oracle.named)
            await operate(
                self._world, Signal(target, 0, name, b"x", now_ms), self._world.next_number()
            )
