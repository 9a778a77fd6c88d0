"""One step: a record being applied, with its position, its time and the actions it causes."""

from collections.abc import Callable

import msgspec

from orchestrator.model.actions import AnyAction
from orchestrator.model.limits import POSITION_INDEX_BITS
from orchestrator.model.records import Item
from orchestrator.tables.state import State


class Step(msgspec.Struct, gc=False):
    """What handlers of records share. `position` is (offset << 20) | index of the record.

    `apply_item` applies an item whose target is in this partition: handlers are given it, since
    those of items need handlers themselves.
    """

    state: State
    position: int
    now_ms: int
    actions: list[AnyAction]
    apply_item: Callable[["Step", Item], None]
    places_left: int  # places of inboxes this record may still look at
    sub: int = 0  # numbers the chores and dead letters made by this record

    @property
    def offset(self) -> int:
        return self.position >> POSITION_INDEX_BITS
