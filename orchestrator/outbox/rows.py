"""The rows of a partition's outbox, read from its applied state."""

from orchestrator.codec.keys import outbox_key
from orchestrator.model.lanes import Lane
from orchestrator.model.records import OutboxItem
from orchestrator.tables.state import State


class OutboxRows:
    """The `LaneRows` port over one state."""

    __slots__ = ("_state",)

    def __init__(self, state: State) -> None:
        self._state = state

    def lane(self, number: int) -> Lane | None:
        return self._state.partition_row.lanes.get(number)

    def item(self, lane: int, number: int) -> OutboxItem | None:
        row = self._state.outbox.get(outbox_key(lane, number))
        return None if row is None else row.item
