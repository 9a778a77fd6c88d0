"""The carrier of lanes to engine partitions: rows travel as a Transfer, a record of the target.

The target drops what it has and whatever comes too early, so that each row counts once.
"""

from collections.abc import Callable
from typing import cast

from orchestrator.model.lanes import Lane, ToPartition
from orchestrator.model.records import Item, Transfer
from orchestrator.outbox.port import Rows

DeliverTransfer = Callable[[int, Transfer, Callable[[bool], None]], None]
"""(target partition, transfer, called once with whether the target has applied it)."""


class TransferCarrier:
    """The `Carrier` of one source partition."""

    rows_max = 100  # one turn of the target may take one transfer of each partition
    trims = False

    def __init__(self, source: int, deliver: DeliverTransfer) -> None:
        self._source = source
        self._deliver = deliver

    def carry(
        self,
        number: int,
        lane: Lane,
        first: int,
        rows: Rows,
        settled: Callable[[int], None],
    ) -> None:
        assert isinstance(lane.destination, ToPartition), "another carrier's lane"
        items = rows()
        if not items:
            return
        last = first + len(items) - 1
        transfer = Transfer(self._source, number, first, cast(tuple[Item, ...], items))

        def delivered(taken: bool) -> None:
            settled(last if taken else first - 1)

        self._deliver(lane.destination.partition, transfer, delivered)
