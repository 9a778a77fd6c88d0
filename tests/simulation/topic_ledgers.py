"""Ledgers that say what no writer of this log has written: in some worlds, for a while.

Another log of the same cluster name shares the ledger, until an operator takes it over; or the
ledger says that more rows of a lane were sent than there are, until somebody mends it.
"""

import asyncio
from random import Random
from typing import TYPE_CHECKING, Final

from orchestrator.model.lanes import MINTED_FIRST, Lane, ToTopic
from tests.simulation.user_ledger import LedgerPlace

if TYPE_CHECKING:
    from tests.simulation.topic_world import TopicWorld

LOG: Final = "log"  # the broker cluster that all this happens on
OTHER_LOG: Final = b"another log"
LANES, NUMBER_MAX = 6, 40  # of the other log
FAR: Final = 1 << 20  # rows that were never given: no lane comes to have so many
LOOK_S = 0.2  # between two looks for a lane that has rows
CALM_S = 8.0  # leaders are there again, and nothing goes wrong any more
OTHERS_S = 6.0  # within that time lanes beside one that is stopped send what they have


class TopicLedgers:
    """Of one world."""

    def __init__(self, world: "TopicWorld") -> None:
        self._world = world
        self._chance = Random(f"ledgers {world.seed}")
        self._tasks: set[asyncio.Task[None]] = set()
        self.taken_over: tuple[bytes, ...] = ()  # as the metadata have it
        self.ahead: dict[tuple[int, int], str] = {}  # partition and lane -> its topic

    def begin(self) -> None:
        chance, trouble_s = self._chance, self._world.plan.trouble_s
        if chance.random() < 0.25:
            at_s = chance.choice((0.0, chance.random() * trouble_s))
            self._world.loop.call_later(at_s, self._share)
            self._world.loop.call_later(at_s + 0.5 + 2 * chance.random(), self._take_over)
        if chance.random() < 0.25:
            self._world.loop.call_later(chance.random() * trouble_s, self._exaggerate)

    # --- another log ---

    def _share(self) -> None:
        """It has lanes of the same numbers: all logs begin to count at the same."""
        for partition in range(self._world.plan.partitions):
            for lane in range(MINTED_FIRST, MINTED_FIRST + LANES):
                number = self._chance.randrange(1, NUMBER_MAX)
                at = LedgerPlace(LOG, partition)
                self._world.broker.ledger.write(at, OTHER_LOG, lane, number)
        self._world.oracle.counts["shared ledgers"] += 1

    def _take_over(self) -> None:
        self.taken_over = (OTHER_LOG,)
        self._world.change_metadata()

    # --- a number above what a lane has given ---

    def _exaggerate(self) -> None:
        """Of a lane that has rows; and its next leader is told."""
        world = self._world
        if world.is_calm:
            return
        lanes = [
            (partition, number, lane.destination.topic)
            for partition, number, lane in self._lanes()
            if isinstance(lane.destination, ToTopic)
        ]
        if not lanes:
            world.loop.call_later(LOOK_S, self._exaggerate)
            return
        partition, number, topic = self._chance.choice(lanes)
        self.ahead[partition, number] = topic
        world.broker.ledger.mend(LedgerPlace(LOG, partition), self._log(), number, FAR)
        world.oracle.counts["ledgers ahead"] += 1
        self._spawn(partition)
        self._wait_for_calm(partition, number)

    def _wait_for_calm(self, partition: int, number: int) -> None:
        later, is_calm = self._world.loop.call_later, self._world.is_calm
        if is_calm:
            later(CALM_S, self._see_others, partition, number)
        elif not self._world.is_over:
            later(1.0, self._wait_for_calm, partition, number)

    def _lanes(self) -> list[tuple[int, int, Lane]]:
        """Those to topics of the users' brokers that were given something, where somebody leads."""
        world = self._world
        if world.current is None or not world.current.is_alive:
            return []
        states = [world.state_of(partition) for partition in range(world.plan.partitions)]
        return [
            (partition, number, lane)
            for partition, state in enumerate(states)
            for number, lane in ([] if state is None else state.partition_row.lanes.items())
            if _is_sent(lane) and lane.destination.topic in world.broker.topics
        ]

    def _log(self) -> bytes:
        assert self._world.current is not None
        identity: bytes = self._world.current.log.identity
        return identity

    def _see_others(self, partition: int, number: int) -> None:
        """Nothing goes wrong any more: what other lanes have been given is soon sent."""
        if self._world.is_over:
            return
        given = {(at, one): lane.given for at, one, lane in self._lanes()}
        given.pop((partition, number), None)
        self._world.loop.call_later(OTHERS_S, self._mend, partition, number, given)

    def _mend(self, partition: int, number: int, given: dict[tuple[int, int], int]) -> None:
        world = self._world
        if world.is_over:
            return
        for at, one, lane in self._lanes():
            if lane.trimmed < given.get((at, one), 0):
                world.oracle.broken("ledgers", f"lane {one} of partition {at} stands still")
        topic = self.ahead.pop((partition, number))
        sent = [
            record.row[2]
            for record in world.broker.committed(topic)
            if record.row is not None and record.row[:2] == (partition, number)
        ]
        place = LedgerPlace(LOG, partition)
        world.broker.ledger.mend(place, self._log(), number, max(sent, default=0))
        self._spawn(partition)

    def _spawn(self, partition: int) -> None:
        task = self._world.loop.create_task(self._lead_anew(partition))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lead_anew(self, partition: int) -> None:
        """Another term: whoever leads looks at the ledger when it has something to send."""
        node = self._world.current
        if node is not None:
            node.log.revoke(partition)
            await asyncio.sleep(0.1)
            node.log.assign(partition)

    # --- what must hold ---

    def check_read(self, at: LedgerPlace, identity: bytes) -> None:
        """Somebody is about to send by what this ledger says."""
        others = self._world.broker.ledger.logs(at) - {identity, *self.taken_over}
        if others:
            self._world.oracle.broken("ledgers", f"{at} is shared with {others}")

    def check_written(self, at: LedgerPlace, lanes: list[int], stopped: set[int]) -> None:
        """`stopped` were ahead when the ledger was read."""
        for lane in stopped.intersection(lanes):
            if (at.partition, lane) in self.ahead:
                self._world.oracle.broken("ledgers", f"lane {lane} of {at} goes on")

    def stopped(self, at: LedgerPlace) -> set[int]:
        """Lanes of which nothing may be sent by who reads the ledger now."""
        return {lane for partition, lane in self.ahead if LedgerPlace(LOG, partition) == at}


def _is_sent(lane: Lane) -> bool:
    to = lane.destination
    return isinstance(to, ToTopic) and to.cluster == LOG and lane.given > 0 and not lane.is_closed
