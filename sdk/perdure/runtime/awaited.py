"""What the server is told of what an attempt waits for."""

from __future__ import annotations

from collections.abc import Sequence

from perdure.futures import Combined
from perdure.replay.slot import PENDING, Slot
from perdure.wire import codes
from perdure.wire.futures import WireFuture


def wire_future(roots: Sequence[Slot], cancellable: bool) -> WireFuture:
    """What the server is told that is waited for: any of the roots, or a cancellation.

    Combinators over nothing but results of this process, such as those of members of a group, are
    left out: to the server, all of nothing would be there already. What the members wait for is
    among the roots.
    """
    top = WireFuture(codes.FIRST_COMPLETED)
    combined: list[WireFuture] = []  # parents before their children
    if cancellable:
        top.signals.append(codes.CANCEL_SIGNAL)
    todo = [(top, root) for root in reversed(roots)]
    while todo:
        node, handle = todo.pop()
        if handle.kind != PENDING:
            continue
        number = handle.number
        if isinstance(number, str):
            node.named_signals.append(number)
        elif number > 0:
            node.completions.append(number)
        elif number < 0:
            node.signals.append(-number)
        elif isinstance(handle, Combined):
            below = WireFuture(handle.combinator)
            node.nested.append(below)
            combined.append(below)
            todo += [(below, child) for child in reversed(handle.children)]
    for below in reversed(combined):
        if below.nested:
            below.nested = [one for one in below.nested if _waits(one)]
    top.nested = [one for one in top.nested if _waits(one)]
    return top


def _waits(node: WireFuture) -> bool:
    return bool(node.completions or node.signals or node.named_signals or node.nested)
