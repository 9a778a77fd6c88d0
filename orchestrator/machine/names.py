"""Signals by name: in the row of the invocation while they are few, then in pages by a hash."""

import hashlib

from orchestrator.codec.keys import detail_key
from orchestrator.machine.details import put_in_page
from orchestrator.machine.step import Step
from orchestrator.model.limits import DETAIL_INLINE_COUNT, NAME_PAGES
from orchestrator.model.rows import InvocationRow
from orchestrator.tables.state import State

KIND = 5  # in keys of rows, beside those of details: never reuse a number
BIT = 1 << KIND


def look_up_name(state: State, row: InvocationRow, name: str) -> int | None:
    """Journal index << 2 | SUCCESS or FAILURE of the last signal of this name."""
    if not row.paged & BIT:
        return None if row.names is None else row.names.get(name)
    number = _number(name)
    page = state.details.get(_key(row, number))
    return None if page is None else page.values.get(number)  # type: ignore[return-value]


def keep_name(step: Step, row: InvocationRow, name: str, mark: int) -> None:
    """The row of the invocation is touched by whoever changes it."""
    if row.paged & BIT:
        _put(step, row, name, mark)
        return
    if row.names is None:
        row.names = {}
    row.names[name] = mark
    move_names_out(step, row)


def move_names_out(step: Step, row: InvocationRow) -> None:
    """From the row to pages, if there are many."""
    if row.names is not None and len(row.names) > DETAIL_INLINE_COUNT:
        row.paged |= BIT
        for name, mark in row.names.items():
            _put(step, row, name, mark)
        row.names = None


def _put(step: Step, row: InvocationRow, name: str, mark: int) -> None:
    number = _number(name)
    put_in_page(step, _key(row, number), number, mark)


def _number(name: str) -> int:
    """63 bits of a hash that nobody can make collide."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1


def _key(row: InvocationRow, number: int) -> bytes:
    return detail_key(row.invoke.id, row.incarnation, KIND, number % NAME_PAGES)
