"""What brokers, operators and metadata do to topics while records come: at moments of the seed."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from orchestrator.admin.restart import RestartRefused, check_restartable, restarted
from orchestrator.model.ids import partition_of_key, source_partition_key
from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import SourceRow
from orchestrator.model.topic_records import DropDeadLetter, RedriveDeadLetter
from orchestrator.model.topics import Source
from orchestrator.model.values import SERVICE
from tests.simulation.clients import Wish
from tests.simulation.faults import take_over
from tests.unit.processor.looking import journal

if TYPE_CHECKING:
    from tests.simulation.topic_world import Subscribed, TopicWorld

CALM_S = 1.5  # operators go on so long after the trouble
AMID_S = 0.02  # between two looks for a transaction that is open
LETTERS_S = 0.4  # between two looks at dead letters


class TopicTrouble:
    """The trouble of one world."""

    def __init__(self, world: "TopicWorld", chance: Random) -> None:
        self._world = world
        self._broker = world.broker
        self._chance = chance
        self._takeovers: set[asyncio.Task[None]] = set()
        self._drops = Random(f"drops {world.seed}")
        self._until_s = world.loop.now_s + world.plan.trouble_s + CALM_S

    def begin(self) -> None:
        later, chance = self._world.loop.call_later, self._chance
        trouble_s = self._world.plan.trouble_s
        for act in (self._compact, self._retain, self._remake):
            if chance.random() < 0.5:
                later(chance.random() * trouble_s, act)
        self._begin_operations(Random(f"operations on topics {self._world.seed}"))
        for _ in range(2):
            later(chance.random() * trouble_s, self._restart)
        later(chance.random(), self._tend_letters)
        later(chance.random(), self._pass_gaps)
        takeovers = Random(f"takeovers {self._world.seed}")
        for _ in range(takeovers.choice((0, 0, 2, 4)) if self._world.user_faults.slow else 0):
            later(takeovers.random() * trouble_s, self._take_over_amid, takeovers)
        cuts = Random(f"cuts {self._world.seed}")
        for _ in range(2 if cuts.random() < 0.5 else 0):
            count, grows = cuts.randrange(1, 4), cuts.random() < 0.7
            later(cuts.random() * trouble_s, partial(self._cut, count, grows))

    def _begin_operations(self, chance: Random) -> None:
        """They go on when the trouble is over, and leaders are there."""
        acts: list[Callable[[Random], None]] = [self._seek] * chance.choice((0, 1, 3, 6))
        acts += [self._pause] * chance.choice((0, 1, 2))
        rare = [self._add_partition, self._delete, self._unserve, self._unserve]
        acts += [act for act in rare if chance.random() < 0.7]
        for act in acts:
            at_s = chance.random() * (self._world.plan.trouble_s + CALM_S)
            self._world.loop.call_later(at_s, partial(act, chance))

    def _take_over_amid(self, chance: Random) -> None:
        """Another process leads while a transaction of this one is open, as soon as one is."""
        world = self._world
        if world.is_calm or world.is_over:
            return
        if self._broker.opened:
            task = world.loop.create_task(take_over(world, chance))
            self._takeovers.add(task)
            task.add_done_callback(self._takeovers.discard)
        else:
            world.loop.call_later(AMID_S, self._take_over_amid, chance)

    def _restart(self) -> None:
        """An invocation from a topic is done again as new: it has no reply and no slot."""
        world = self._world
        node = world.current
        if node is None or not node.is_alive or not world.is_led():
            return
        with node.probed():
            done = [
                row
                for number in range(world.plan.partitions)
                for _, row in world.state_of(number).completed.scan()
                if row.invoke.origin is not None and row.invoke.kind == SERVICE
            ]
            if not done:
                return
            row = self._chance.choice(done)
            frames = journal(node.processor, row.invoke.id)
            try:
                check_restartable(row, len(frames), 0)
                kept = [frame for _, frame in frames]
                identity = self._chance.randbytes(16)
                again = restarted(row, kept, 0, identity, row.deployment, world.now_ms())
            except RestartRefused:
                return
        world.oracle.counts["restarts"] += 1
        program = json.loads(again.body)
        invoke = row.invoke
        world.submit(Wish(invoke.service, invoke.handler, "", program, 0.0, invoke=again))

    def _compact(self) -> None:
        self._broker.compact(self._broker.topics["orders"])

    def _retain(self) -> None:
        self._broker.retain(self._broker.topics["jobs"], 2)

    def _cut(self, count: int, grows: bool) -> None:
        """What earlier generations took of the lost ones has nothing to do with what follows."""
        world, topic = self._world, self._broker.topics["jobs"]
        self._broker.cut(topic, count)
        for source, one in world.sources():
            if one.topic == topic.name:
                end = topic.partitions[source.partition].next
                world.gaps += [(source, g, end, 1 << 60) for g in range(1, one.generation)]
        for _ in range(3 * count if grows else 0):  # before anybody looks
            world.outsiders.record(None, world.subscription("sub_jobs"))

    def _leave(self, one: "Subscribed") -> None:
        """A new generation begins; what the old one lacks of a tail that was lost is nobody's."""
        for source, whose in self._world.sources():
            if whose is one:
                held = self._broker.topics[one.topic].partitions[source.partition]
                if held.cuts:
                    self._world.gaps.append((source, one.generation, min(held.cuts), 1 << 60))
        one.generation += 1

    def _remake(self) -> None:
        self._broker.remake("once")
        self._world.change_metadata()

    def _seek(self, chance: Random) -> None:
        """To the beginning, to where a portion began, or to any point, as a new generation."""
        world = self._world
        one = world.subscription(chance.choice(("sub_jobs", "sub_jobs", "sub_orders", "sub_flows")))
        starts = {
            source.partition: self._start(chance, source)
            for source, whose in world.sources()
            if whose is one
        }
        self._leave(one)
        one.starts[one.generation] = starts
        world.change_metadata()

    def _start(self, chance: Random, source: Source) -> int:
        world = self._world
        held = self._broker.topics[source.topic].partitions[source.partition]
        home = partition_of_key(source_partition_key(source), world.plan.partitions)
        begun = {portion.first for portion in world.echoes.portions(home, source)}
        known = sorted(offset for offset in begun if held.start <= offset <= held.next)
        if known and chance.random() < 0.6:
            return known[max(0, len(known) - chance.randrange(1, 5))]
        return chance.choice((held.start, chance.randrange(held.start, held.next + 1)))

    def _pause(self, chance: Random) -> None:
        """And some time later it goes on."""
        world = self._world
        one = chance.choice([one for one in world.subscriptions if not one.is_deleted])
        if not one.is_paused:
            until_s = 0.2 + chance.random()
            world.pause(one, until_s)
            world.loop.call_later(until_s, partial(self._resume, one))

    def _resume(self, one: "Subscribed") -> None:
        one.is_paused = False
        self._world.change_metadata()

    def _add_partition(self, chance: Random) -> None:
        self._broker.add_partition(self._broker.topics[chance.choice(("orders", "jobs", "flows"))])

    def _delete(self, chance: Random) -> None:
        """What lives of it goes on."""
        for one in self._world.subscriptions:
            if one.id == "sub_leaving":
                one.is_deleted = True
        self._world.change_metadata()

    def _unserve(self, chance: Random) -> None:
        """The handler of a subscription is gone for a while."""
        world = self._world
        world.is_late_served = False
        world.change_metadata()
        for _ in range(2):
            world.outsiders.record(None, world.subscription("sub_late"))
        world.loop.call_later(0.5 + chance.random(), self._serve)

    def _serve(self) -> None:
        self._world.is_late_served = True
        self._world.change_metadata()

    def _pass_gaps(self) -> None:
        """An operator sees what is missing from where to where, and lets it go on."""
        world = self._world
        if not world.is_over:
            world.loop.call_later(LETTERS_S, self._pass_gaps)
        node = world.current
        if node is None or not node.is_alive:
            return
        seen: set[str] = set()
        for sources in list(world.intakes[node.number]._terms):
            for read in sources.readings():
                gap, row, facts = read.gap, read._row, read.facts
                if gap is None or row is None:
                    continue
                if gap.low <= row.position:
                    self._seek_back(facts.source, row)
                else:
                    held = self._broker.topics[facts.source.topic].partitions
                    low = held[facts.source.partition].lacked_from(row.position, row.leader_epoch)
                    world.gaps.append((facts.source, facts.generation, low, gap.low))
                    world.oracle.counts["gaps"] += 1
                    seen.add(facts.subscription.id)
        for known_as in sorted(seen):
            world.subscription(known_as).gaps_passed += 1
        if seen:
            world.change_metadata()

    def _seek_back(self, source: Source, row: SourceRow) -> None:
        """It stands past the end of what its topic has kept: an operator says where it goes on."""
        world = self._world
        one = world.subscription(source.subscription)
        if row.generation != one.generation:
            return
        held = self._broker.topics[one.topic].partitions
        end = held[source.partition].end_for(row.leader_epoch)
        world.oracle.counts["cuts"] += 1
        self._leave(one)
        one.starts[one.generation] = {n: p.start for n, p in enumerate(held)}
        one.starts[one.generation][source.partition] = end
        world.change_metadata()

    def _tend_letters(self) -> None:
        """An operator has a dead letter done again, perhaps twice."""
        world = self._world
        if world.loop.now_s < self._until_s:
            world.loop.call_later(LETTERS_S, self._tend_letters)
        node = world.current
        if node is None or not node.is_alive:
            return
        for number in range(world.plan.partitions):
            state = world.state_of(number)
            if state is None:
                continue
            with node.probed():
                found = list(state.letters.scan())
            seat = node.processor._seats.get(number)
            assert seat is not None
            for key, row in found[:2]:
                letter = row.letter
                if self._drops.random() < 0.3:
                    seat.propose(DropDeadLetter(key, world.now_ms()))
                if letter.kind != 0 or letter.origin is None or self._chance.random() < 0.3:
                    continue
                token = world.plan.programs.token()
                body = json.dumps({"token": token, "ops": []}).encode()
                again = Invoke(
                    world.fresh_id(), "Plain", "run", "", SERVICE, body, (), world.now_ms(),
                    1 << 40, 1 << 40,
                )  # fmt: skip
                world.redriven.append(again.id)
                record = RedriveDeadLetter(key, world.now_ms(), again)
                for _ in range(self._chance.choice((1, 2))):
                    seat.propose(record)
