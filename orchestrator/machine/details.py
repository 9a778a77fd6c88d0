"""What an invocation keeps by number: in its row while that is little, then in pages.

A row is written whole whenever it has changed: one that held all completions of 20,000 calls would
be written 20,000 times. Of pages only the one that changed is written.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Generic, TypeVar

from orchestrator.codec.keys import detail_key
from orchestrator.machine.step import Step
from orchestrator.model.limits import DETAIL_INLINE_COUNT, DETAIL_PAGE_COUNT
from orchestrator.model.rows import DetailRow, InvocationRow
from orchestrator.tables.state import State

V = TypeVar("V", int, bytes)


class Detail(Generic[V]):
    """One kind of detail. `kind` is in keys of rows: never reuse a number."""

    __slots__ = ("bit", "inline", "kind")

    def __init__(self, kind: int, inline: Callable[[InvocationRow], dict[int, V]]) -> None:
        self.kind = kind
        self.bit = 1 << kind
        self.inline: Callable[[InvocationRow], dict[int, V]] = inline


COMPLETIONS = Detail[int](0, attrgetter("completions"))
SIGNALS = Detail[int](1, attrgetter("signals"))
SLEEPS = Detail[int](2, attrgetter("sleeps"))
AWAITS = Detail[bytes](3, attrgetter("awaits"))
CHILDREN = Detail[bytes](4, attrgetter("children"))

# What AWAITS holds: a promise of the invocation's own key, or another invocation.
AWAITED_PROMISE = b"p"
AWAITED_INVOCATION = b"i"


def look_up(state: State, row: InvocationRow, detail: Detail[V], number: int) -> V | None:
    if not row.paged & detail.bit:
        return detail.inline(row).get(number)
    page = state.details.get(_key(row, detail, number))
    return None if page is None else page.values.get(number)  # type: ignore[return-value]


def keep(step: Step, row: InvocationRow, detail: Detail[V], number: int, value: V) -> None:
    """The caller marks the row of the invocation as changed."""
    if row.paged & detail.bit:
        _put(step, _key(row, detail, number), number, value)
        return
    inline = detail.inline(row)
    inline[number] = value
    if len(inline) > DETAIL_INLINE_COUNT:
        move_out(step, row, detail)


def drop_detail(step: Step, row: InvocationRow, detail: Detail[V], number: int) -> V | None:
    """Forget a value; what it was."""
    if not row.paged & detail.bit:
        return detail.inline(row).pop(number, None)
    key = _key(row, detail, number)
    page = step.state.details.get(key)
    if page is None:
        return None
    value = page.values.pop(number, None)
    if page.values:
        step.state.details.touch(key)
    else:
        step.state.details.delete(key)
    return value  # type: ignore[return-value]


def move_out(step: Step, row: InvocationRow, detail: Detail[V]) -> None:
    """From the row to pages."""
    inline = detail.inline(row)
    row.paged |= detail.bit
    for number, value in inline.items():
        _put(step, _key(row, detail, number), number, value)
    inline.clear()


def _put(step: Step, key: bytes, number: int, value: int | bytes) -> None:
    details = step.state.details
    page = details.get(key)
    if page is None:
        details.add(key, DetailRow({number: value}))
    else:
        page.values[number] = value
        details.touch(key)


def _key(row: InvocationRow, detail: Detail[V], number: int) -> bytes:
    return detail_key(row.invoke.id, row.incarnation, detail.kind, number // DETAIL_PAGE_COUNT)
