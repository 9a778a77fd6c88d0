"""Futures: what an invocation waits for, as a tree of combinators over notifications.

The tree is walked with a list, never by recursion: its depth is the peer's choice.
"""

from collections.abc import Iterator
from typing import Final

import msgspec

from perdure.wire.codes import ALL_SUCCEEDED_OR_FIRST_FAILED, COMBINATOR_UNKNOWN
from perdure.wire.errors import FutureTooLarge
from perdure.wire.proto3 import (
    U32_MAX,
    put_packed,
    put_uint,
    read_packed,
    read_text,
    scan,
    set_bytes,
    set_text,
    skip,
)

FUTURE_DEPTH_MAX: Final = 1000
"""Levels of one future; the limit users know from other servers of this protocol."""
FUTURE_NODES_MAX: Final = 100_000
"""Combinators in one future: two bytes on the wire cost a few hundred in memory."""


class WireFuture(msgspec.Struct, eq=False):
    """One combinator and what it waits for."""

    combinator: int = COMBINATOR_UNKNOWN
    completions: list[int] = []
    signals: list[int] = []
    named_signals: list[str] = []
    nested: list["WireFuture"] = []

    def nodes(self) -> Iterator["WireFuture"]:
        """Walk over this future and all below it, parents first, in order."""
        todo = [self]
        while todo:
            node = todo.pop()
            yield node
            todo.extend(reversed(node.nested))

    def is_empty(self) -> bool:
        """Say whether nothing is waited for, so that it could never resolve."""
        return not any(n.completions or n.signals or n.named_signals for n in self.nodes())

    def flat(self) -> "WireFuture":
        """Return all leaves under one combinator: what V5 and V6 can say."""
        out = WireFuture()
        for node in self.nodes():
            out.completions += node.completions
            out.signals += node.signals
            out.named_signals += node.named_signals
        return out

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, WireFuture):
            return NotImplemented
        return write_future(self) == write_future(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return (
            f"Future(combinator={self.combinator}, completions={self.completions},"
            f" signals={self.signals}, named_signals={self.named_signals},"
            f" nested=<{len(self.nested)}>)"
        )


def read_future(data: bytes, start: int, stop: int) -> WireFuture:
    """Read a Future message; raises FutureTooLarge past the limits of depth and nodes."""
    root = WireFuture()
    todo = [(root, start, stop, 1)]
    nodes = 1
    while todo:
        node, start, stop, depth = todo.pop()
        for tag, a, b in scan(data, start, stop):
            if tag == 4 << 3 | 2:
                if depth == FUTURE_DEPTH_MAX:
                    raise FutureTooLarge(f"a future is nested over {FUTURE_DEPTH_MAX} levels deep")
                if nodes == FUTURE_NODES_MAX:
                    raise FutureTooLarge(f"a future has over {FUTURE_NODES_MAX} combinators")
                nodes += 1
                child = WireFuture()
                node.nested.append(child)
                todo.append((child, a, b, depth + 1))
            elif tag == 5 << 3:
                known = a <= ALL_SUCCEEDED_OR_FIRST_FAILED
                node.combinator = a if known else COMBINATOR_UNKNOWN
            elif not read_leaf(node, data, tag, a, b):
                skip(tag, (1, 2, 3, 4, 5))
    return root


def read_leaf(node: WireFuture, data: bytes, tag: int, a: int, b: int) -> bool:
    """Take in a list of what is waited for, packed or not; say whether the field was one."""
    if tag == 1 << 3 | 2:
        node.completions += read_packed(data, a, b)
    elif tag == 2 << 3 | 2:
        node.signals += read_packed(data, a, b)
    elif tag == 3 << 3 | 2:
        node.named_signals.append(read_text(data, a, b))
    elif tag == 1 << 3:
        node.completions.append(a & U32_MAX)
    elif tag == 2 << 3:
        node.signals.append(a & U32_MAX)
    else:
        return False
    return True


def write_leaves(node: WireFuture) -> bytes:
    """Write the three lists of what one combinator waits for."""
    return (
        put_packed(1, node.completions)
        + put_packed(2, node.signals)
        + b"".join(set_text(3, name) for name in node.named_signals)
    )


def write_future(future: WireFuture) -> bytes:
    """Write a Future message."""
    order = list(future.nodes())
    written: dict[int, bytes] = {}
    # Children come after their parents in `order`: backwards, they are written when needed.
    for node in reversed(order):
        nested = b"".join(set_bytes(4, written[id(child)]) for child in node.nested)
        written[id(node)] = write_leaves(node) + nested + put_uint(5, node.combinator)
    return written[id(future)]
