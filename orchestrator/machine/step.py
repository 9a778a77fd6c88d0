"""One step: a record being applied, with its position, its time and the actions it causes."""

from orchestrator.model.actions import AnyAction
from orchestrator.model.ids import partition_of
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.tables.state import State


class Step:
    """What handlers of records share. `position` is (offset << 20) | index of the record."""

    __slots__ = ("actions", "now_ms", "position", "state", "sub")

    def __init__(self, state: State, position: int, now_ms: int, actions: list[AnyAction]) -> None:
        self.state = state
        self.position = position
        self.now_ms = now_ms
        self.actions = actions
        self.sub = 0  # numbers the chores made by this record

    @property
    def offset(self) -> int:
        return self.position >> POSITION_INDEX_BITS

    def is_local(self, invocation_id: bytes) -> bool:
        state = self.state
        return partition_of(invocation_id, state.partition_count) == state.partition
