"""Removes what belonged to an invocation that is over: its timers, its place among waiters, its
details. Those in its row are removed at once, those in pages by follow-up records."""

from collections.abc import Mapping
from typing import Any

from orchestrator.codec.keys import detail_kind, detail_prefix, prefix_end, timer_key
from orchestrator.machine import promises
from orchestrator.machine.chores import add_chore
from orchestrator.machine.details import AWAITED_PROMISE, AWAITS, CHILDREN, SLEEPS
from orchestrator.machine.routing import route_item
from orchestrator.machine.step import Step
from orchestrator.model.records import Detach, Kill
from orchestrator.model.rows import CHORE_END, ChoreRow, InvocationRow
from orchestrator.model.values import Caller


def clear_up(step: Step, row: InvocationRow, kill: bool) -> None:
    """Remove what has its cause in this invocation; `kill` ends what it started, too."""
    if not (row.sleeps or row.awaits or row.paged or (kill and row.children)):
        return
    invoke = row.invoke
    chore = ChoreRow(CHORE_END, service=invoke.service, key=invoke.key, id=invoke.id)
    chore.incarnation, chore.kill, chore.paged = row.incarnation, kill, row.paged
    _clear(step, chore, SLEEPS.kind, row.sleeps or {})
    _clear(step, chore, AWAITS.kind, row.awaits or {})
    _clear(step, chore, CHILDREN.kind, row.children or {})
    if row.paged or chore.ids:
        add_chore(step, chore)


def clear_up_more(step: Step, chore: ChoreRow, count_max: int) -> bool:
    """Kill some children, or clear some pages. True if that was all."""
    if chore.ids:
        for child in chore.ids[:count_max]:
            route_item(step, Kill(child, step.now_ms))
        del chore.ids[:count_max]
        return not chore.ids and not chore.paged
    prefix = detail_prefix(chore.id, chore.incarnation)
    start = chore.cursor + b"\0" if chore.cursor else prefix
    details = step.state.details
    for key, page in details.scan(start, prefix_end(prefix)):
        if count_max <= 0 or chore.ids:
            return False
        count_max -= len(page.values)
        _clear(step, chore, detail_kind(key), page.values)
        details.delete(key)
        chore.cursor = key
    return not chore.ids


def _clear(step: Step, chore: ChoreRow, kind: int, values: Mapping[int, Any]) -> None:
    """One page, or what was in the row."""
    if kind == SLEEPS.kind:
        for completion_id, due_ms in values.items():
            _drop_timer(step, chore, timer_key(due_ms, chore.id, completion_id))
    elif kind == AWAITS.kind:
        for completion_id, target in values.items():
            _wait_no_longer(step, chore, completion_id, target)
    elif kind == CHILDREN.kind and chore.kill:
        chore.ids = list(values.values())


def _drop_timer(step: Step, chore: ChoreRow, key: bytes) -> None:
    """Delete a timer, unless it belongs to another incarnation of the id that sleeps until the
    same moment."""
    timer = step.state.timers.get(key)
    if timer is not None and timer.incarnation == chore.incarnation:
        step.state.timers.delete(key)


def _wait_no_longer(step: Step, chore: ChoreRow, completion_id: int, target: bytes) -> None:
    caller = Caller(chore.id, chore.incarnation, completion_id)
    if target[:1] == AWAITED_PROMISE:
        promises.wait_no_longer(step, chore.service, chore.key, target[1:].decode(), caller)
    else:
        route_item(step, Detach(target[1:], caller, step.now_ms))
