"""What was sent once comes twice, or long after it was sent: only the order of the log counts.

Each echo is one that a log may hold: a producer that tried again, a network that was slow.
"""

from random import Random
from typing import TYPE_CHECKING

from orchestrator.codec.records import decode_message, encode_message
from orchestrator.model.ids import partition_of
from orchestrator.model.invoke import Invoke
from orchestrator.model.records import AnnounceLeader, AnyRecord, Journal, Transfer
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import INVOKED

if TYPE_CHECKING:
    from tests.simulation.world import World

TRANSFERS_BACK = 30  # messages looked through
FLUSHES_BACK = 200


class Echoes:
    """Appends to the topic of a world what it holds already. A disk of one process has none."""

    def __init__(self, world: "World", more: Random) -> None:
        self._world = world
        self._random = world.random
        self._more = more
        self._plan = world.plan

    async def anything(self) -> None:
        """Something that was sent long ago arrives now, or arrives once more."""
        number = self._random.randrange(self._plan.partitions)
        messages = self._world.topic.messages[number]
        if self._plan.disk or not messages:
            return
        records = decode_message(self._random.choice(messages).value)
        self._append(number, [r for r in records if self._may_echo(r, number)])

    def _may_echo(self, record: AnyRecord, number: int) -> bool:
        if isinstance(record, Invoke | Transfer | AnnounceLeader):
            return True
        epoch = getattr(record, "epoch", None)
        if epoch is not None and epoch < self._epoch(number):
            return True
        return isinstance(record, Journal) and record.end is not None

    def _epoch(self, number: int) -> int:
        node = self._world.current
        if node is None or not node.is_alive:
            return -1
        state = self._world.state_of(number)
        return -1 if state is None else int(state.partition_row.epoch)

    async def transfer(self) -> None:
        """A partition hears once more what another one has given it."""
        number = self._more.randrange(self._plan.partitions)
        given = [r for r in self._last(number, TRANSFERS_BACK) if isinstance(r, Transfer)]
        if given:
            self._append(number, [self._more.choice(given)])

    async def stale_flush(self) -> None:
        """What an earlier attempt said, or one of an earlier leader, while a later one runs."""
        rows = {key: row for key, row in self._world.rows() if row.status == INVOKED}
        if self._plan.disk or not rows:
            return
        number = self._more.randrange(self._plan.partitions)
        stale = [
            record
            for record in self._last(number, FLUSHES_BACK)
            if isinstance(record, Journal)
            and record.id in rows
            and self._is_stale(record, rows[record.id], number)
        ]
        if stale:
            self._append(number, [self._more.choice(stale)])

    def _is_stale(self, record: Journal, row: InvocationRow, number: int) -> bool:
        if record.incarnation != row.incarnation:
            return False
        return record.attempt < row.attempt or record.epoch < self._epoch(number)

    def of_earlier_life(self, invocation_id: bytes) -> None:
        """What attempts of an earlier life had said arrives when the next one has begun."""
        number = partition_of(invocation_id, self._plan.partitions)
        if self._plan.disk:
            return
        living = dict(self._world.rows()).get(invocation_id)
        if living is None:
            return
        flushes: list[AnyRecord] = [
            record
            for record in self._last(number, len(self._world.topic.messages[number]))
            if isinstance(record, Journal)
            and record.id == invocation_id
            and record.incarnation < living.incarnation
        ]
        # Those of the term that goes on count by their incarnation alone.
        fresh = [r for r in flushes if getattr(r, "epoch", -1) == self._epoch(number)]
        self._append(number, fresh or flushes)

    def _last(self, number: int, count: int) -> list[AnyRecord]:
        messages = self._world.topic.messages[number][-count:] if count else []
        return [record for message in messages for record in decode_message(message.value)]

    def _append(self, number: int, records: list[AnyRecord]) -> None:
        if records:
            self._world.oracle.counts["echoes"] += 1
            self._world.topic.append(number, [encode_message(records)])
