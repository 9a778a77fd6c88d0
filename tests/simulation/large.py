"""Large worlds: much that waits, sleeps, is queued or comes at once, with a restart in the middle.

The constants that bound a callback are an eighth to a tenth of the engine's, so that thousands
stand for tens of thousands. Nothing fails here but what a story says.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from random import Random
from typing import Final

import msgspec

from orchestrator.invoker import attempt, overflow, slot_queue
from orchestrator.invoker.options import InvokerOptions
from orchestrator.machine import apply, apply_chore, recover
from orchestrator.model.ids import placed_key
from orchestrator.model.records import Kill, Resume, Signal
from orchestrator.model.values import INBOXED, SCHEDULED, SUSPENDED
from orchestrator.outbox import sender, transfers
from orchestrator.processor import due, late_results, seat, seats, term, turns, upkeep, waiters
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.seat import Seat
from orchestrator.tables.cache import Cache
from orchestrator.timers import queue, retries
from tests.simulation import broker, network
from tests.simulation.broker import LogFaults
from tests.simulation.clients import Wish, operate, watch
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.closing import close
from tests.simulation.metadata import Metadata
from tests.simulation.meter import Meter
from tests.simulation.mutation import Patch, patched
from tests.simulation.network import NetworkFaults
from tests.simulation.node import Node, NodeFaults
from tests.simulation.plan import Plan
from tests.simulation.play import Verdict, play
from tests.simulation.programs import OBJECT, SERVICE, Program, Programs
from tests.simulation.world import CALM_S, World

KEPT_BYTES: Final = 1 << 20  # for rows kept by choice
SPILL_ROWS: Final = 200
PARTITIONS: Final = 3
QUICK_S: Final = 2.0  # what a partition that is not slow answers within


def smaller_bounds(patch: Patch) -> None:
    for room, name, count in (
        (recover, "PAGE_ROWS", 64),
        (term, "RECOVER_COUNT", 8),
        (due, "LOAD_COUNT", 50),
        (due, "RETRY_COUNT", 8),
        (due, "PURGE_STEP_COUNT", 50),
        (late_results, "LOOK_COUNT", 8),
        (seat, "ANSWERED_AT_ONCE_MAX", 8),
        (seats, "ANSWERED_AT_ONCE_MAX", 8),
        (waiters, "TOLD_COUNT", 8),
        (turns, "RECORDS_MAX", 100),
        (turns, "RECORDS_LEAST", 8),
        (queue, "HELD_MAX", 150),
        (retries, "ARMED_MAX", 20),
        (retries, "PACKED_PAGE_BYTES", 200),
        (slot_queue, "HELD_MAX", 20),
        (overflow, "PAGE_BYTES", 200),
        (apply_chore, "CHORE_STEP_COUNT", 20),
        (apply, "INBOX_STEP_COUNT", 50),
        (transfers.TransferCarrier, "rows_max", 20),
        (sender, "ADVANCE_ROWS", 100),
        (attempt, "RECORD_EFFECTS", 50),
        (upkeep, "COUNT_EVERY_BYTES", 1 << 12),
        (broker, "CHUNK_MAX", 4),
        (network, "READ_BYTES_MAX", 1 << 13),
    ):
        patch.set(room, name, count)


def _plan() -> Plan:
    return Plan(
        partitions=PARTITIONS,
        trouble_s=0.0,
        options=ProcessorOptions(
            spill_rows=SPILL_ROWS,
            spill_bytes=1 << 16,
            flush_records=1_000,
            checkpoint_records=5_000,
            timers_per_record=100,
            cleanup_s=20.0,
        ),
        invoker=InvokerOptions(attempts_max=400, attempts_per_deployment_max=300),
        log=LogFaults(),
        network=NetworkFaults(latency_s=0.001),
        node=NodeFaults(),
        wishes=[],
        crash_count=0,
        zombie_count=0,
        echo_count=0,
        revoke_count=0,
        full_count=0,
        operation_count=0,
        metadata_late_s=0.0,
        programs=Programs(Random("large")),
        disk=False,
        fuse_max=0,
        tail_lost=False,
    )


class LargeWorld(World):
    """A world of one story, `count` times of everything."""

    def __init__(self, name: str, count: int) -> None:
        super().__init__(0, VirtualLoop(), _plan())
        self.meter = Meter()
        self.meter.held_now = self._held
        self.metadata = Metadata(Random("large"), inactivity_ms=60)
        self.is_calm = True  # metadata is known at once
        self.count = count
        self.down_s = 0.1
        self.placed_at: int | None = None  # where what is asked for lives; else anywhere
        self._story = STORIES[name]

    # --- the course ---

    async def run(self) -> None:
        await self.start_node()
        await self.until(self.is_led)
        try:
            await asyncio.wait_for(self._story(self), CALM_S)
            self.clients = [task for task in self.clients if not task.cancelled()]
            await asyncio.wait_for(self._settle(), CALM_S)
        except TimeoutError:
            self.oracle.broken("liveness", f"{self._unsettled()[:3]} and others never end")
        self._check_rest()
        self.is_over = True
        for task in self.clients:
            task.cancel()
        with self.meter.paused():
            await close(self)

    async def start_node(self) -> Node:
        """The memory for rows is a process's."""
        options = self.plan.options
        cache = Cache(KEPT_BYTES)
        self.plan.options = msgspec.structs.replace(options, cache=cache)
        return await super().start_node()

    def fresh_id(self) -> bytes:
        if self.placed_at is None:
            return super().fresh_id()
        key = placed_key(self.placed_at, PARTITIONS, self.random.getrandbits(64))
        return key + self.random.randbytes(16)

    async def _restart(self) -> None:
        await asyncio.sleep(self.down_s)
        await self.start_node()

    async def until(self, is_so: Callable[[], bool], wait_s: float = 300.0) -> None:
        until_s = self.loop.now_s + wait_s
        while not is_so():
            if self.loop.now_s > until_s:
                raise TimeoutError
            await asyncio.sleep(0.1)

    def _unsettled(self) -> list[str]:
        with self.meter.paused():
            return super()._unsettled()

    # --- what stories are made of ---

    def ask(self, program: Program, **fields: object) -> Wish:
        wish = Wish(SERVICE, "run", "", program, 0.0)
        vars(wish).update(fields)
        self.plan.wishes.append(wish)
        self.submit(wish)
        return wish

    def program(self, *ops: list[object]) -> Program:
        return {"token": self.plan.programs.token(), "ops": list(ops)}

    def count_of(self, status: int) -> int:
        with self.meter.paused():
            return sum(row.status == status for _, row in self.rows())

    async def crash(self, down_s: float = 0.1) -> None:
        self.down_s = down_s
        node = await self.node()
        node.kill()
        await self.until(lambda: self.current is not node and self.is_led())

    async def each(self, operations: list[object]) -> None:
        """All at once."""
        tasks = [operate(self, one, self.next_number()) for one in operations]  # type: ignore[arg-type]
        await asyncio.gather(*tasks)

    async def wake_all(self) -> None:
        with self.meter.paused():
            living = {key for key, _ in self.rows()}
        now_ms = self.now_ms()
        waiting = [one for one in self.oracle.awakeables if one[0] in living]
        await self.each([Signal(key, index, "", b"woken", now_ms) for key, index in waiting])

    def seats(self) -> list[Seat]:
        node = self.current
        if node is None or not node.is_alive:
            return []
        return [seat for seat in node.processor._seats.all() if seat.term is not None]

    # --- what is held ---

    def _held(self) -> dict[str, int]:
        led = self.seats()
        if not led or self.current is None:
            return {}
        states = [seat.partition.state for seat in led if seat.partition is not None]
        tables = [table for state in states for table in state.tables]
        waiting = sum(len(seat.results) for seat in led)
        if waiting > len(self.current.waiting):
            self.oracle.broken("held", f"{waiting} wait for results, of them left long ago")
        return {
            "bytes of rows": self.plan.options.cache.used_bytes,
            "rows": sum(len(table._rows) + len(table._older) for table in tables),
            "rows to be written": sum(state.dirty_count for state in states),
            "timers": sum(len(seat.term.due.timers) for seat in led if seat.term is not None),
            "attempts": self.current.invoker.running_count,
        }

    def _check_rest(self) -> None:
        """What had a cause is gone with it."""
        node = self.current
        assert node is not None
        held = {"attempts": node.invoker.running_count, "clients": len(node.waiting)}
        for one in self.seats():
            assert one.term is not None and one.partition is not None
            held["results"] = held.get("results", 0) + len(one.results)
            held["retries"] = held.get("retries", 0) + len(one.term.due.retries)
            held["proposals"] = held.get("proposals", 0) + len(one.pending.waiting)
            held["fates"] = held.get("fates", 0) + len(one._unknown_fates)
            held["futures"] = held.get("futures", 0) + len(one.partition.state.derived)
            held["chores"] = held.get("chores", 0) + len(one.term._chores._out)
        left = {name: count for name, count in held.items() if count}
        if left:
            self.oracle.broken("held", f"{left} when all is done")


# --- stories ---


async def _waiting(world: LargeWorld) -> None:
    """Invocations wait for a promise each, and clients for them; many attach to one result."""
    for _ in range(world.count):
        world.ask(world.program(["awakeable"]))
    first = world.plan.wishes[0]
    await world.until(lambda: world.count_of(SUSPENDED) == world.count)
    for _ in range(world.count):
        world.clients.append(world.loop.create_task(watch(world, first, world.next_number(), 0.0)))
    await asyncio.sleep(3.0)
    await world.crash()
    await asyncio.sleep(3.0)
    for task, wish in zip(world.clients[:100], world.plan.wishes[:100], strict=True):
        wish.wait = False  # it goes away
        task.cancel()
    await asyncio.sleep(3.0)
    await _lose_terms(world)
    await world.wake_all()


async def _lose_terms(world: LargeWorld) -> None:
    """The fate of an append of each partition is not known: another term begins, and the same
    clients go on waiting; then all partitions are taken away, and given back."""
    assert world.current is not None
    world.plan.log.unknown_landed = 1.0
    with world.meter.paused():
        rows = world.rows()
    await world.each([Resume(key, world.now_ms()) for key, _ in rows[:: len(rows) // 20]])
    world.plan.log.unknown_landed = 0.0
    await asyncio.sleep(5.0)
    await world.until(world.is_led)
    for number in range(PARTITIONS):
        world.current.log.revoke(number)
    await asyncio.sleep(0.5)
    for number in range(PARTITIONS):
        world.current.log.assign(number)
    await world.until(world.is_led)
    await asyncio.sleep(2.0)


async def _sleeping(world: LargeWorld) -> None:
    """Half of them sleep, half are to begin later: all are due while no process runs."""
    for number in range(world.count):
        if number % 2:
            world.ask(world.program(["sleep", 30_000]), wait=False)
        else:
            world.ask(world.program(), delay_ms=30_000, wait=False)
    half = world.count // 2
    await world.until(lambda: world.count_of(SUSPENDED) + world.count_of(SCHEDULED) >= 2 * half)
    await world.crash(down_s=60.0)


async def _queued(world: LargeWorld) -> None:
    """All want one key; many of those that wait are killed before it is free."""
    holder = world.ask(world.program(["awakeable"]), service=OBJECT, handler="write", key="a")
    await world.until(lambda: world.count_of(SUSPENDED) == 1)
    for _ in range(world.count):
        world.ask(world.program(), service=OBJECT, handler="write", key="a", wait=False)
    await world.until(lambda: world.count_of(INBOXED) == world.count)
    await world.crash()
    others = [wish.id for wish in world.plan.wishes if wish is not holder]
    doomed = others[: world.count * 4 // 5]
    for target in doomed:
        world.oracle.touched("Kill", target)
    await world.each([Kill(target, world.now_ms()) for target in doomed])
    await world.wake_all()


async def _fan_out(world: LargeWorld) -> None:
    """One calls all the others at once; one that did the same is killed with all its children."""
    children = [_child(world, 2_000) for _ in range(world.count)]
    world.ask(world.program(["calls", children]), wait=False)
    doomed = [_child(world, 600_000) for _ in range(world.count)]
    parent = world.ask(world.program(["calls", doomed]), wait=False)
    await world.until(lambda: world.count_of(SUSPENDED) >= world.count)
    await world.crash()
    await asyncio.sleep(3.0)
    world.oracle.touched("Kill", parent.id)
    await world.each([Kill(parent.id, world.now_ms())])


def _child(world: LargeWorld, sleep_ms: int) -> list[object]:
    return [SERVICE, "run", "", world.program(["sleep", sleep_ms])]


async def _slow_partition(world: LargeWorld) -> None:
    """Much is asked of a partition whose log takes nothing for a while; others serve as ever."""
    assert world.current is not None
    log = world.current.log
    log._next_s[0] = world.loop.now_s + 4.0
    world.placed_at = 0
    for _ in range(world.count):
        world.ask(world.program(), wait=False)
    await asyncio.sleep(0.5)
    since_s = world.loop.now_s
    world.placed_at = 1
    others = [world.ask(world.program()) for _ in range(50)]
    await world.until(lambda: all(wish.outcomes for wish in others))
    if world.loop.now_s - since_s > QUICK_S:
        world.oracle.broken("work", f"others waited {world.loop.now_s - since_s} s")


Story = Callable[[LargeWorld], Awaitable[None]]
STORIES: dict[str, Story] = {
    "waiting": _waiting,
    "sleeping": _sleeping,
    "queued": _queued,
    "fan-out": _fan_out,
    "slow partition": _slow_partition,
}


def run_large(
    name: str, count: int, beyond: tuple[str, int | None] | None = None
) -> tuple[Verdict, Meter]:
    """`beyond`: it ends once there is more of a unit than its bound; of one that has none, with the
    first rule that is broken."""
    asyncio.set_event_loop(None)
    world = LargeWorld(name, count)
    if beyond is not None:
        end = partial(setattr, world.loop, "is_given_up", True)
        unit, bound = beyond
        if bound is None:
            world.oracle.when_broken = end
        else:
            world.meter.end_beyond(unit, bound, end)
    verdict = play(world, [patched(smaller_bounds), world.meter.on()])
    return verdict, world.meter
