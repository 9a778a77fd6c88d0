"""What an invocation keeps by number: in its row while that is little, then in pages.

A row that has changed is written whole: one that held the completions of 20,000 calls would be
written 20,000 times. With pages only the page that changed is written.
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
    """One kind of detail. `kind` is in keys of rows: never reuse a number.

    `inline` gives what is in the row, None if it is nothing yet; `made` makes room for it."""

    __slots__ = ("bit", "inline", "kind", "made")

    def __init__(
        self,
        kind: int,
        inline: Callable[[InvocationRow], dict[int, V] | None],
        made: Callable[[InvocationRow], dict[int, V]],
    ) -> None:
        self.kind = kind
        self.bit = 1 << kind
        self.inline: Callable[[InvocationRow], dict[int, V] | None] = inline
        self.made: Callable[[InvocationRow], dict[int, V]] = made


def _completions_of(row: InvocationRow) -> dict[int, int]:
    if row.completions is None:
        row.completions = {}
    return row.completions


def _signals_of(row: InvocationRow) -> dict[int, int]:
    if row.signals is None:
        row.signals = {}
    return row.signals


def _sleeps_of(row: InvocationRow) -> dict[int, int]:
    if row.sleeps is None:
        row.sleeps = {}
    return row.sleeps


def _awaits_of(row: InvocationRow) -> dict[int, bytes]:
    if row.awaits is None:
        row.awaits = {}
    return row.awaits


def _children_of(row: InvocationRow) -> dict[int, bytes]:
    if row.children is None:
        row.children = {}
    return row.children


COMPLETIONS = Detail[int](0, attrgetter("completions"), _completions_of)
SIGNALS = Detail[int](1, attrgetter("signals"), _signals_of)
SLEEPS = Detail[int](2, attrgetter("sleeps"), _sleeps_of)
AWAITS = Detail[bytes](3, attrgetter("awaits"), _awaits_of)
CHILDREN = Detail[bytes](4, attrgetter("children"), _children_of)

# What AWAITS holds: a promise of the invocation's own key, or another invocation.
AWAITED_PROMISE = b"p"
AWAITED_INVOCATION = b"i"


def look_up(state: State, row: InvocationRow, detail: Detail[V], number: int) -> V | None:
    if not row.paged & detail.bit:
        inline = detail.inline(row)
        return None if inline is None else inline.get(number)
    page = state.details.get(_key(row, detail, number))
    return None if page is None else page.values.get(number)  # type: ignore[return-value]


def keep(step: Step, row: InvocationRow, detail: Detail[V], number: int, value: V) -> None:
    """The caller marks the row of the invocation as changed."""
    if row.paged & detail.bit:
        put_in_page(step, _key(row, detail, number), number, value)
        return
    inline = detail.inline(row)
    if inline is None:
        inline = detail.made(row)
    inline[number] = value
    if len(inline) > DETAIL_INLINE_COUNT:
        move_out(step, row, detail)


def drop_detail(step: Step, row: InvocationRow, detail: Detail[V], number: int) -> V | None:
    """Forget a value; what it was."""
    if not row.paged & detail.bit:
        inline = detail.inline(row)
        return None if inline is None else inline.pop(number, None)
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
    inline = detail.made(row)
    row.paged |= detail.bit
    for number, value in inline.items():
        put_in_page(step, _key(row, detail, number), number, value)
    inline.clear()


def put_in_page(step: Step, key: bytes, number: int, value: int | bytes) -> None:
    """Keep a value in the page with this key of a row, made if there is none."""
    details = step.state.details
    page = details.get(key)
    if page is None:
        details.add(key, DetailRow({number: value}))
    else:
        page.values[number] = value
        details.touch(key)


def _key(row: InvocationRow, detail: Detail[V], number: int) -> bytes:
    return detail_key(row.invoke.id, row.incarnation, detail.kind, number // DETAIL_PAGE_COUNT)
