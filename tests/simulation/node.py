"""A simulated process: the real processor and invoker over simulated log, stores and services."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any, cast

from orchestrator.exchanges.origin import Origin
from orchestrator.exchanges.pool import Pool
from orchestrator.invoker.invoker import Invoker
from orchestrator.invoker.options import InvokerOptions
from orchestrator.invoker.port import LedPartition
from orchestrator.invoker.slot_queue import SlotWaiter
from orchestrator.log import known
from orchestrator.machine import recover
from orchestrator.model.actions import ArmRetry, ArmTimer, Complete, DoChore, SendOutbox
from orchestrator.model.records import Resume
from orchestrator.model.rows import InvocationRow
from orchestrator.processor import due, late_results, seat, seats, term
from orchestrator.processor.loop import Processor
from orchestrator.processor.options import ProcessorOptions
from orchestrator.processor.source import AttemptSource
from orchestrator.registry.schema import EMPTY, Registry
from orchestrator.runtime.entropy import SeededEntropy
from orchestrator.store.memory import MemoryHome
from orchestrator.tables import listings
from tests.simulation import listing_checks
from tests.simulation.broker import BrokerLog, LogFaults, Topic
from tests.simulation.clockwork import ProcessClock, ProcessScheduler, VirtualLoop
from tests.simulation.disk_log import Device, DiskLog
from tests.simulation.homes import ProcessHome
from tests.simulation.lagging import StoreLag
from tests.simulation.mutation import Patch
from tests.simulation.network import Services, SimulatedPool
from tests.unit.processor.looking import find


@dataclass
class NodeFaults:
    """What goes wrong in a process."""

    repeated: float = 0.0  # chance that an action is done twice
    store: float = 0.0  # chance that a store fails, per call
    damage: float = 0.0  # chance that a store is damaged while no process runs
    unclosed: float = 0.0  # chance that a store is not closed, and keeps its lock for a while
    stalled: float = 0.0  # chance that a call that is made in a thread takes seconds
    lagging: float = 0.0  # files that a store puts in order in a second, while it is slow
    late_s: float = 0.001  # timers are due this much later


class SimulatedInvoker(Invoker):
    """The invoker over a simulated network; actions may be repeated."""

    life: "Node"

    def live_on(self, services: Services, life: "Node") -> None:
        self.life = life

        def get(origin: Origin, http1: bool) -> Pool:
            uri = origin.authority.decode()
            pool = SimulatedPool(services, life, uri, self.on_read, self.on_batch)
            return cast(Pool, pool)

        self._pools.get = get  # type: ignore[method-assign]

    def hold_back(self, source: LedPartition, held_back: bool) -> None:
        super().hold_back(source, held_back)
        for running in self._running.values():
            if running.exchange is None or cast(AttemptSource, running.source).is_over:
                continue
            is_behind = running.source in self._held_back or running in self._memory._waiting
            if running.exchange.is_held_back != is_behind:
                self.life.oracle.broken("held back", "a service of a partition that is not behind")

    def _wait(self, waiter: SlotWaiter) -> None:
        slots, deployment = self._slots, waiter.deployment
        if not slots.running_of(deployment) and not slots.waiting_of(deployment):
            self.life.oracle.broken("slots", f"{deployment} runs nothing and has to wait")
        super()._wait(waiter)

    def start(self, source: LedPartition, invocation_id: bytes, incarnation: int) -> None:
        with self.life.probed():
            row = find(self.life.processor, invocation_id)
        latest_ms = self.now_ms() + 1 + self.life.turned_back_ms()
        is_early = isinstance(row, InvocationRow) and row.retry_at_ms > latest_ms
        # A resume and a cancel begin an attempt at once, and so does something new for one whose
        # suspension was idle. If an attempt is under way since its backoff is over, and fails
        # before that action is carried out, the next one begins before its time: what was asked
        # for comes sooner.
        oracle = self.life.oracle
        is_asked = {"Resume", "Cancel"} & set(oracle.operations[invocation_id])
        is_asked |= {"Idle"} if invocation_id in oracle.idlers else set()
        if is_early and not is_asked:
            self.life.oracle.broken("backoff", f"{invocation_id.hex()} begins too early")
        for _ in range(self.life.times()):
            super().start(source, invocation_id, incarnation)

    def notify(
        self, invocation_id: bytes, incarnation: int, index: int, frame: bytes, completion_id: int
    ) -> None:
        tell = partial(super().notify, invocation_id, incarnation, index, frame, completion_id)
        times = self.life.times()
        if times:
            tell()
        if times > 1:  # at once, or when much has changed
            self.life.scheduler.call_later(self.life.draw_late_s(), tell)

    def stop(self, invocation_id: bytes, incarnation: int, abort: bool) -> None:
        for _ in range(self.life.times()):
            super().stop(invocation_id, incarnation, abort)


def small_slices(patch: Patch) -> None:
    """What is done in slices takes several of them, though a world has few of everything."""
    for room, name, count in (
        (recover, "PAGE_ROWS", 3),
        (term, "RECOVER_COUNT", 2),
        (due, "LOAD_COUNT", 2),
        (due, "RETRY_COUNT", 1),
        (late_results, "LOOK_COUNT", 2),
        (seat, "ANSWERED_AT_ONCE_MAX", 1),
        (seats, "ANSWERED_AT_ONCE_MAX", 1),
        (listings, "_FULL_COUNT", 3),
        (listings, "LISTINGS_DROPPED_MAX", 2),
        (listing_checks, "LISTINGS_DROPPED_MAX", 2),
    ):
        patch.set(room, name, count)


def repeating(patch: Patch) -> None:
    """What a term does by itself may be done twice, too, or be what its process dies of."""
    table = term._PERFORM
    for kind in (ArmTimer, ArmRetry, SendOutbox, DoChore, Complete):
        patch.item(table, kind, partial(_perhaps_twice, table[kind]))


def _perhaps_twice(perform: Callable[[Any, Any], None], self: Any, action: Any) -> None:
    for _ in range(self._around.invoker.life.times()):
        perform(self, action)


class Node:
    """One process. `fuse` counts the moments it has left to live; -1 is for ever."""

    def __init__(
        self,
        number: int,
        loop: VirtualLoop,
        topic: Topic | Device,
        homes: dict[int, MemoryHome],
        log_faults: LogFaults,
        node_faults: NodeFaults,
        services: Services,
        registry: Callable[[], Registry],
        random: Random,
        options: ProcessorOptions,
        invoker_options: InvokerOptions,
        landed: Callable[[int], None],
        died: Callable[["Node"], None],
    ) -> None:
        self.number = number
        self.is_alive = True
        self.is_up = False
        self.rivals_until_s = -1.0  # another process may lead by then
        self.is_zombie = False  # another process took over, and it does not know
        self.is_newer = False  # of the newer one of two versions of the software
        self.fuse = -1
        self.knows_metadata = False
        self.known_log: bytes | None = None  # as its data directory has it
        self._is_probed = False
        self.waiting: dict[int, Callable[[], None]] = {}  # clients to be told of its death
        self.oracle = services.oracle
        self._loop = loop
        self._died = died
        self._random = random
        self._faults = node_faults
        self._stores = Random(f"stores of {number}")
        self._registry = registry
        self.scheduler = ProcessScheduler(loop, self, random, node_faults.late_s)
        clock, entropy = ProcessClock(loop), SeededEntropy(random.getrandbits(64))
        self.log = self._make_log(topic, log_faults, landed)
        self.invoker = SimulatedInvoker(
            self.registry,
            self.log.partition_count,
            clock,
            entropy,
            self.scheduler,
            invoker_options,
        )
        self.invoker.live_on(services, self)
        self.homes = homes
        self._opened: dict[int, ProcessHome] = {}
        self.processor = Processor(
            self.log,
            self._home,
            self.invoker,
            clock,
            entropy,
            self.scheduler,
            options,
        )

    def _make_log(
        self, topic: Topic | Device, faults: LogFaults, landed: Callable[[int], None]
    ) -> BrokerLog:
        if isinstance(topic, Device):
            return DiskLog(topic, self._loop, self, faults, self._random, landed)
        return BrokerLog(topic, self._loop, self, faults, self._random, landed)

    async def start(self) -> None:
        await self.log.open()
        if self.is_alive:
            known.verify_known(self.known_log, self.log.identity)
            self.is_up = True
            self.processor.start()

    def registry(self) -> Registry:
        """Metadata comes through a log of its own, perhaps late."""
        return self._registry() if self.knows_metadata else EMPTY

    def resume(self, invocation_id: bytes) -> None:
        self.oracle.touched("Resume", invocation_id)
        resume = Resume(invocation_id, self._loop.now_ms())
        self.processor.engine.operate(resume, lambda answer: None)

    def turned_back_ms(self) -> int:
        return self._loop.turned_back_ms

    def may_be_stale(self) -> bool:
        """Another one may have taken over, or have been leading until a moment ago."""
        return not self.is_alive or self._loop.now_s < self.rivals_until_s

    def lives(self) -> bool:
        """A moment at which the process may die."""
        if self.is_alive and self.fuse >= 0:
            self.fuse -= 1
            if self.fuse < 0:
                self.kill()
        return self.is_alive

    def kill(self) -> None:
        """Nothing it does counts from here on."""
        if self.is_alive:
            self.is_alive = False
            self._loop.call_soon(self._buried)

    def _buried(self) -> None:
        self.scheduler.end()
        waiting, self.waiting = self.waiting, {}
        for number in sorted(waiting):
            waiting[number]()
        self._died(self)

    @contextmanager
    def probed(self) -> Iterator[None]:
        """While the world looks at it from outside, no store fails."""
        self._is_probed = True
        try:
            yield
        finally:
            self._is_probed = False

    def store_fails(self) -> bool:
        return not self._is_probed and self._random.random() < self._faults.store

    def _home(self, number: int) -> ProcessHome:
        """One for all its assignments: a lock is the process's."""
        home = self._opened.get(number)
        if home is None:
            home = self._opened[number] = ProcessHome(self.homes[number], self, self._lag(number))
        return home

    def _lag(self, number: int) -> StoreLag | None:
        def is_led() -> bool:
            seat = self.processor._seats.get(number)
            return seat is not None and seat.term is not None

        if not self._faults.lagging:
            return None
        return StoreLag(self.now_s, lambda: self._faults.lagging, is_led, self.oracle)

    def now_s(self) -> float:
        return self._loop.now_s

    def store_lock_s(self) -> float:
        """How long a store that was closed keeps its lock, 0 if it was closed as it should."""
        faults = self._faults
        if not faults.unclosed or self._is_probed or self._stores.random() >= faults.unclosed:
            return 0.0
        return self._stores.random() * 2

    def stall_s(self) -> float:
        """How much longer a call takes that is made in a thread."""
        faults = self._faults
        if not faults.stalled or self._stores.random() >= faults.stalled:
            return 0.0
        return self._stores.random() * 4

    def draw_late_s(self) -> float:
        return self._random.choice((0.0, self._random.random()))

    def times(self) -> int:
        """How often to do what is to be done once."""
        if not self.lives():
            return 0
        return 2 if self._random.random() < self._faults.repeated else 1
