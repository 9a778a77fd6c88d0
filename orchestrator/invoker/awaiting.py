"""What a suspended attempt waits for, as records keep it. Pure."""

from typing import Final

from orchestrator.door.keys import check_key
from orchestrator.invoker import codes
from orchestrator.invoker.failures import CommandRefused
from orchestrator.model.values import THEN_PAUSE, Future
from perdure import wire

# Less than the protocol allows (1000): records and the machine walk futures by recursion.
DEPTH_MAX: Final = 200
LEAVES_MAX: Final = 100_000  # ids in one future: they lie in a record beside nothing else


def future_of(suspension: wire.WireFuture) -> Future:
    """Convert a future, from its leaves up; raises CommandRefused, Refused."""
    nodes = list(suspension.nodes())
    _check(nodes)
    kept: dict[int, tuple[Future, int]] = {}
    # Children come after their parents: backwards they are there when they are needed.
    for node in reversed(nodes):
        children = [kept.pop(id(child)) for child in node.nested]
        depth = 1 + max((depth for _, depth in children), default=0)
        if depth > DEPTH_MAX:
            raise _too_large(f"it is nested over {DEPTH_MAX} levels deep")
        future = Future(
            tuple(node.completions),
            tuple(node.signals),
            tuple(node.named_signals),
            tuple(child for child, _ in children),
            node.combinator,
        )
        kept[id(node)] = (future, depth)
    return kept[id(suspension)][0]


def _check(nodes: list[wire.WireFuture]) -> None:
    leaves = 0
    for node in nodes:
        leaves += len(node.completions) + len(node.signals) + len(node.named_signals)
        for name in node.named_signals:
            check_key(name, "the name of a signal")
    if not leaves:
        raise CommandRefused(codes.PROTOCOL_VIOLATION, "a suspension waits for nothing")
    if leaves + len(nodes) > LEAVES_MAX:
        raise _too_large(f"it has over {LEAVES_MAX} parts")


def _too_large(why: str) -> CommandRefused:
    return CommandRefused(
        codes.FUTURE_TOO_LARGE, f"what the handler waits for is too large: {why}", then=THEN_PAUSE
    )
