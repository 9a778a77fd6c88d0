"""Recovery: all that a new leader owes, from state alone, a bounded part at a time.

Records go on being applied between two parts, and each part reads rows as they are then. What a
record makes owed behind the place that the walk has reached, the actions of that record ask for.
"""

from itertools import islice

from orchestrator.codec.keys import timer_due_ms
from orchestrator.model.actions import (
    AnyAction,
    ArmRetry,
    ArmTimer,
    DoChore,
    ReadSource,
    SendOutbox,
    StartAttempt,
)
from orchestrator.model.rows import InvocationRow
from orchestrator.model.values import INVOKED
from orchestrator.tables.state import State

PAGE_ROWS = 512  # beginning a scan costs as much as reading some hundred rows


class Recovery:
    """Walks outbox, sources, live invocations and chores once.

    Timers and retention are loaded by their queues. Armed here are only timers that were armed
    later than `now_ms`: the clock was set back since, and their due times would come too late.
    """

    __slots__ = (
        "_has_chores",
        "_has_rows",
        "_has_sources",
        "_has_timers",
        "_next_chore",
        "_next_row",
        "_next_source",
        "_next_timer",
        "_now_ms",
        "_page",
        "_state",
    )

    def __init__(self, state: State, now_ms: int) -> None:
        self._state = state
        self._now_ms = now_ms
        self._next_row: bytes | None = None  # None: not begun
        self._next_source = b""
        self._next_chore = b""
        self._next_timer = b""
        self._has_sources = self._has_rows = self._has_chores = True
        self._has_timers = state.partition_row.timers_armed_at_ms > now_ms
        self._page: list[bytes] = []  # ids that may owe something, the next one last

    def step(self, count_max: int, actions: list[AnyAction]) -> bool:
        """Add the actions of at most so many rows; whether there is more."""
        if self._next_row is None:
            self._next_row = b""
            self._add_lanes(actions)
        elif self._has_sources:
            self._add_sources(count_max, actions)
        elif self._page:
            self._add_rows(count_max, actions)
        elif self._has_rows:
            self._turn_page()
        elif self._has_chores:
            self._add_chores(count_max, actions)
        elif self._has_timers:
            self._add_timers(actions)
        return bool(self._page) or self._has_rows or self._has_chores or self._has_timers

    def _add_lanes(self, actions: list[AnyAction]) -> None:
        lanes = self._state.partition_row.lanes
        for number, lane in sorted(lanes.items()):
            if lane.trimmed < lane.given and not lane.is_closed:
                actions.append(SendOutbox(number))

    def _add_sources(self, count_max: int, actions: list[AnyAction]) -> None:
        keys = [key for key, _ in islice(self._state.sources.scan(self._next_source), count_max)]
        self._has_sources = len(keys) == count_max
        if keys:
            self._next_source = keys[-1] + b"\0"
        actions.extend(map(ReadSource, keys))

    def _turn_page(self) -> None:
        assert self._next_row is not None
        rows = list(islice(self._state.invocations.scan(self._next_row), PAGE_ROWS))
        self._has_rows = len(rows) == PAGE_ROWS
        if rows:
            self._next_row = rows[-1][0] + b"\0"
        self._page = [key for key, row in reversed(rows) if row.status == INVOKED]

    def _add_rows(self, count_max: int, actions: list[AnyAction]) -> None:
        page = self._page
        for _ in range(min(count_max, len(page))):
            invocation_id = page.pop()
            row = self._state.invocations.get(invocation_id)
            if row is not None and row.status == INVOKED:
                actions.append(_owed(invocation_id, row))

    def _add_chores(self, count_max: int, actions: list[AnyAction]) -> None:
        keys = [key for key, _ in islice(self._state.chores.scan(self._next_chore), count_max)]
        self._has_chores = len(keys) == count_max
        if keys:
            self._next_chore = keys[-1] + b"\0"
        actions.extend(map(DoChore, keys))

    def _add_timers(self, actions: list[AnyAction]) -> None:
        rows = list(islice(self._state.timers.scan(self._next_timer), PAGE_ROWS))
        self._has_timers = len(rows) == PAGE_ROWS
        if rows:
            self._next_timer = rows[-1][0] + b"\0"
        for key, row in rows:
            if row.armed_at_ms > self._now_ms:
                due_ms = timer_due_ms(key)
                actions.append(ArmTimer(due_ms, key, due_ms - row.armed_at_ms))


def recover(state: State, actions: list[AnyAction], now_ms: int) -> None:
    """All parts at once."""
    recovery = Recovery(state, now_ms)
    while recovery.step(PAGE_ROWS, actions):
        pass


def _owed(invocation_id: bytes, row: InvocationRow) -> AnyAction:
    if row.retry_at_ms:
        failure = row.last_failure
        failed_at_ms = row.modified_at_ms if failure is None else failure.at_ms
        delay_ms = row.retry_at_ms - failed_at_ms
        return ArmRetry(invocation_id, row.incarnation, row.retry_at_ms, delay_ms)
    return StartAttempt(invocation_id, row.incarnation)
