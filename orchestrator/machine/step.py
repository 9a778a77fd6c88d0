"""One step: a record being applied, with its position, its time and the actions it causes."""

from collections.abc import Callable

from orchestrator.model.actions import AnyAction
from orchestrator.model.limits import INBOX_STEP_COUNT, POSITION_INDEX_BITS
from orchestrator.model.records import Item
from orchestrator.tables.state import State


class Step:
    """What handlers of records share. `position` is (offset << 20) | index of the record.

    `apply_item` applies an item whose target is in this partition: handlers are given it, since
    those of items need handlers themselves.
    """

    __slots__ = ("actions", "apply_item", "now_ms", "places_left", "position", "state", "sub")

    def __init__(
        self,
        state: State,
        position: int,
        now_ms: int,
        actions: list[AnyAction],
        apply_item: Callable[["Step", Item], None],
    ) -> None:
        self.state = state
        self.position = position
        self.now_ms = now_ms
        self.actions = actions
        self.apply_item = apply_item
        self.places_left = INBOX_STEP_COUNT  # places of inboxes this record may still look at
        self.sub = 0  # numbers the chores and dead letters made by this record

    @property
    def offset(self) -> int:
        return self.position >> POSITION_INDEX_BITS
