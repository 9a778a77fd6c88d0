"""A world: processes, a log, services and clients."""

import asyncio
from random import Random
from typing import Any

from orchestrator.codec.records import encode_message
from orchestrator.log.known import LogGone
from orchestrator.model.ids import partition_of, placed_key
from orchestrator.model.records import AnnounceLeader, RaiseLevel
from orchestrator.model.rows import InvocationRow
from orchestrator.processor.partition import Partition
from orchestrator.registry.schema import Registry
from orchestrator.store.memory import MemoryHome
from orchestrator.store.stamp import STAMP_KEY
from tests.simulation import handlers
from tests.simulation.broker import LogFaults, Topic
from tests.simulation.clients import Client, Wish, watch
from tests.simulation.clockwork import VirtualLoop
from tests.simulation.closing import close
from tests.simulation.disk_log import Device
from tests.simulation.faults import Trouble
from tests.simulation.metadata import BRIEF_MS, Metadata
from tests.simulation.network import NetworkFaults, Services
from tests.simulation.node import Node, NodeFaults
from tests.simulation.oracle import Oracle
from tests.simulation.plan import Plan, make_plan
from tests.simulation.remaking import remake_amid
from tests.simulation.replay import settle
from tests.simulation.tending import tend
from tests.simulation.versions import NEWER, Versions

CALM_S = 240.0  # all that was accepted is done this long after the last fault


class World:
    """Implements what clients and faults need of it."""

    def __init__(self, seed: int, loop: VirtualLoop, plan: Plan | None = None) -> None:
        self.plan: Plan = make_plan(seed) if plan is None else plan
        self.seed = seed
        self.loop = loop
        self.random = Random(f"world {seed}")
        self._watchers = Random(f"watchers {seed}")
        self.oracle = Oracle(self.plan.tail_lost)
        self.device = Device(seed, self.plan.partitions, self.oracle) if self.plan.disk else None
        self.clients: list[asyncio.Task[None]] = []
        self.metadata = Metadata(self.random, self.plan.hung_count)
        self.versions = Versions(seed, self.plan.versions)
        self.topic = Topic(self.plan.partitions)
        for topic in (self.topic, *([] if self.device is None else [self.device.history])):
            topic.now_s = loop.time
        self.homes = {number: MemoryHome() for number in range(self.plan.partitions)}
        self.nodes: list[Node] = []
        self.finals: dict[int, Partition] = {}  # as the last leader has them
        self.current: Node | None = None
        self.known_log: bytes | None = None
        self.past: Topic | None = None  # what the log held before it was made anew
        self.is_calm = False
        self.is_over = False
        self._number = 0
        self._restarts: set[asyncio.Task[None]] = set()
        self.services = Services(
            self.oracle,
            loop,
            Random(f"network {seed}"),
            self.plan.network,
            handlers.make(handlers.Flaky()),
        )

    # --- for clients ---

    def now_ms(self) -> int:
        return self.loop.now_ms()

    def registry(self) -> Registry:
        return self.metadata.registry

    def fresh_id(self) -> bytes:
        count = self.plan.partitions
        key = placed_key(self.random.randrange(count), count, self.random.getrandbits(64))
        return key + self.random.randbytes(16)

    def next_number(self) -> int:
        self._number += 1
        return self._number

    async def node(self) -> Node:
        """A process that can be reached: rarely one that was replaced and does not know."""
        while True:
            living = [node for node in self.nodes if node.is_alive and node.is_up]
            if living:
                return living[-1] if self.random.random() < 0.8 else self.random.choice(living)
            await asyncio.sleep(0.05)

    def history(self) -> Topic:
        """All that the log ever held."""
        topic = self.topic if self.device is None else self.device.history
        return topic if self.past is None else self.past

    # --- processes ---

    async def start_node(self) -> Node:
        node = Node(
            self.next_number(),
            self.loop,
            self.topic if self.device is None else self.device,
            self.homes,
            self.plan.log,
            self.plan.node,
            self.services,
            self.registry,
            Random(self.random.getrandbits(64)),
            self.plan.options,
            self.plan.invoker,
            self._landed,
            self._died,
        )
        node.known_log = self.known_log
        node.is_newer = self.versions.next_is_newer()
        node.rivals_until_s = max((n.rivals_until_s for n in self.nodes), default=-1.0)
        self.nodes.append(node)
        self.current = node
        # For who starts anew a step of the clock is time that passed.
        self.oracle.may_expire_early |= self.oracle.has_jumped_far
        late_s = 0.0 if self.is_calm else self.plan.metadata_late_s * self.random.random()
        self.loop.call_later(late_s, self._learn, node)
        await node.start()
        if node.is_up:
            self.known_log = node.log.identity
        return node

    def _learn(self, node: Node) -> None:
        node.knows_metadata = True

    def _landed(self, number: int) -> None:
        self.oracle.counts["messages"] += 1

    def _died(self, node: Node) -> None:
        self.nodes.remove(node)
        self.oracle.counts["deaths"] += 1
        if node is self.current and not self.is_over:
            task = self.loop.create_task(self._restart())
            self._restarts.add(task)
            task.add_done_callback(self._restarts.discard)

    async def _restart(self) -> None:
        await asyncio.sleep(self.random.random() * 0.3)
        if self.device is not None:
            self.device.lose_process()
        if self.plan.tail_lost and not self.is_calm:
            lost = self.lose_tail()
            if self.random.random() < 0.7:
                self._grow_again(lost)
        if not self.is_calm and self.random.random() < self.plan.node.damage:
            self._damage_newest()
        if not self.is_over:
            try:
                await self.start_node()
            except LogGone:
                assert self.current is not None
                self.is_over = True  # nobody serves any more
                self.current.kill()

    def lose_tail(self, is_led: bool = False) -> int:
        """The broker is without its last messages, how many; stores may be ahead of it.

        One copy of each store stays within the log: where a process leads that may make another
        one before it hears of the loss, the newest, for then the older one is dropped.
        """
        first, end = self.topic.firsts[0], self.topic.nexts[0]
        low = first
        if first:
            low = (max if is_led else min)(self.homes[0].copies, default=end)
        return self.topic.cut(0, max(low, end - self.random.randrange(12)))

    def _grow_again(self, lost: int) -> None:
        """Other messages have come since (old announcements mean nothing)."""
        for _ in range(lost + self.random.randrange(3)):
            other = AnnounceLeader("node", self.next_number(), -2)  # no two are the same
            self.topic.append(0, [encode_message([other])])

    def _damage_newest(self) -> None:
        """The stores worked on are gone, and the newest copies, if there are older ones."""
        for home in self.homes.values():
            home.flushed = {STAMP_KEY: b"damaged"}
            if len(home.copies) > 1:
                del home.copies[max(home.copies)]

    # --- the course of the world ---

    async def run(self) -> None:
        await self.start_node()
        if self.device is not None and self.plan.log.latency_s:
            self.device.trouble(self.random.choice((0.0, 0.02, 0.1)))
        for wish in self.plan.wishes:
            self.submit(wish)
        if self.plan.remade == "busy":
            await remake_amid(self, Trouble(self))
            await self._end()
            return
        await Trouble(self).run()
        self._calm_down()
        janitor = self.loop.create_task(tend(self))
        try:
            await asyncio.wait_for(self._settle(), CALM_S)
        except TimeoutError:
            waiting = [w.program["token"] for w in self.plan.wishes if not _is_done(w)]
            self.oracle.broken("liveness", f"{waiting} and {self._unsettled()} never end")
        janitor.cancel()
        await self._end()

    async def _end(self) -> None:
        self.is_over = True
        for task in self.clients:
            task.cancel()
        await close(self)

    def submit(self, wish: Wish) -> None:
        client = Client(self, wish, self.next_number())
        self.clients.append(self.loop.create_task(client.run()))
        if self.plan.watched and self._watchers.random() < self.plan.watched:
            after_s = wish.at_s + self._watchers.random() * 2
            watching = watch(self, wish, self.next_number(), after_s)
            self.clients.append(self.loop.create_task(watching))

    def _calm_down(self) -> None:
        """No more faults; what was broken stays broken until it is mended."""
        self.is_calm = True
        for faults, fresh in (
            (self.plan.log, LogFaults(latency_s=self.plan.log.latency_s)),
            (self.plan.network, NetworkFaults(latency_s=self.plan.network.latency_s)),
            (self.plan.node, NodeFaults()),
        ):
            vars(faults).update(vars(fresh))
        self.metadata.mend()
        self.versions.calm()
        if self.device is not None:
            self.device.calm()
        for node in list(self.nodes):
            node.fuse = -1
            node.knows_metadata = True
            is_outdated = self.versions.is_upgraded and not node.is_newer
            # Who has appended nothing since does not know what was lost.
            if node.is_zombie or self.plan.loss_count or is_outdated:
                node.kill()

    async def _settle(self) -> None:
        await asyncio.gather(*self.clients)
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(1.0)
            quiet = quiet + 1 if self._unsettled() == [] else 0
        if self.plan.long:
            await asyncio.sleep(BRIEF_MS / 1000 + 10)

    def _unsettled(self) -> list[str]:
        """Invocations that live, as the leader sees them."""
        if self.current is None or not self.current.is_up or not self.current.is_alive:
            return ["nobody leads"]
        found = []
        for number in range(self.plan.partitions):
            state = self.state_of(number)
            if state is None:
                return [f"partition {number} has no leader"]
            found += [
                f"{row.invoke.service}/{row.invoke.handler} {key.hex()[:20]} status {row.status}"
                for key, row in state.invocations.scan()
            ]
            found += [f"chore {key.hex()}" for key, _ in state.chores.scan()]
            found += [f"outbox {key.hex()}" for key, _ in state.outbox.scan()]
            found += [f"timer {key.hex()}" for key, _ in state.timers.scan()]
        return found

    def state_of(self, number: int) -> Any:
        assert self.current is not None
        seat = self.current.processor._seats.get(number)
        if seat is None or seat.term is None or seat.partition is None:
            return None
        return seat.partition.state

    def is_led(self) -> bool:
        """Every partition has a leader, in one process."""
        numbers = range(self.plan.partitions)
        return self.current is not None and all(self.state_of(n) is not None for n in numbers)

    def raise_level(self) -> None:
        """All processes are of the newer version."""
        assert self.current is not None
        for number in range(self.plan.partitions):
            seat = self.current.processor._seats.get(number)
            state = self.state_of(number)
            if seat is not None and state is not None:
                seat.propose(RaiseLevel(state.partition_row.epoch, NEWER))

    def flush_stores(self) -> None:
        """What the leaders know is what the next process starts with."""
        assert self.current is not None
        with self.current.probed():
            for number in range(self.plan.partitions):
                seat = self.current.processor._seats.get(number)
                if seat is not None and seat.partition is not None and seat.store is not None:
                    settle(seat.partition)
                    seat.store.flush()

    def check_outdated(self, node: Node) -> None:
        """It serves no partition whose level it does not know."""
        for number in range(self.plan.partitions):
            seat = node.processor._seats.get(number)
            if seat is not None and seat.term is not None and seat.partition is not None:
                level = seat.partition.state.partition_row.level
                if level >= NEWER:
                    self.oracle.broken("versions", f"partition {number} of level {level} is led")
                self.oracle.counts["outdated"] += 1

    def rows(self) -> list[tuple[bytes, InvocationRow]]:
        if self.current is None or not self.current.is_alive:
            return []
        states = [self.state_of(number) for number in range(self.plan.partitions)]
        with self.current.probed():
            return [
                pair for state in states if state is not None for pair in state.invocations.scan()
            ]

    def row_of(self, invocation_id: bytes) -> Any:
        """It lives, and this is known of it."""
        if self.current is None or not self.current.is_alive:
            return None
        state = self.state_of(partition_of(invocation_id, self.plan.partitions))
        with self.current.probed():
            return None if state is None else state.invocations.get(invocation_id)

    def remake_topic(self) -> None:
        self.past = self.topic.remake()


def _is_done(wish: Wish) -> bool:
    return bool(wish.outcomes) if wish.wait else wish.accepted
