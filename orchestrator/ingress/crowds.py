"""Which services so many callers wait for that others would find no room.

Waiting callers take places: each a request, and over HTTP/1.1 a connection too. While an eighth of
the places is free everybody may take one. Then the rule is that of slots (`invoker/slots.py`): who
already holds more places than are left gets no more, so that callers of a service that hangs keep
out no callers of others. It costs nothing until then, and afterwards a count now and then.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final, Protocol

from orchestrator.ingress.exchange import PendingRequest

_FEW: Final = 64  # places are any service's own
_FEW_PART: Final = 64  # not more than this part of few places
_COUNT_PART: Final = 400  # of all places: requests between two counts at least; one takes 20 ms


class ConnectionOfCallers(Protocol):
    """A connection."""

    def waiting(self) -> list[PendingRequest]:
        """The exchanges whose answer is awaited."""
        ...


class Crowds:
    """Asked for each request while there are more than `many`."""

    __slots__ = ("_connections_max", "_left", "_names", "_requests_max", "many")

    def __init__(self, requests_max: int, connections_max: int) -> None:
        self._requests_max = requests_max
        self._connections_max = connections_max
        self.many = min(requests_max, connections_max) * 7 // 8
        self._names: frozenset[str] = frozenset()
        self._left = 0  # requests until the next count

    def names(self, connections: Iterable[ConnectionOfCallers]) -> frozenset[str]:
        """The services that get no more places now."""
        self._left -= 1
        if self._left < 0:
            self._count(connections)
        return self._names

    def forget(self) -> None:
        """Once a second: what was counted is old."""
        self._left = 0

    def _count(self, connections: Iterable[ConnectionOfCallers]) -> None:
        requests: Counter[str] = Counter()
        carriers: Counter[str] = Counter()
        for connection in connections:
            waiting = connection.waiting()
            if waiting:
                carriers[waiting[0].service] += 1
                for exchange in waiting:
                    requests[exchange.service] += 1
        free, crowded = _share_out(requests, self._requests_max)
        free_carriers, more = _share_out(carriers, self._connections_max)
        self._names = crowded | more
        # So often that half of what is free is free still at the next count.
        self._left = max(self.many // _COUNT_PART, min(free, free_carriers) // 2)


def _share_out(held: Counter[str], places_max: int) -> tuple[int, frozenset[str]]:
    """How many places are free, with that of the request at hand, and who gets none of them."""
    free = places_max + 1 - held.total()
    if free > places_max // 8:
        return free, frozenset()
    share = max(free, min(_FEW, places_max // _FEW_PART), 1)
    return free, frozenset(name for name, count in held.items() if name and count >= share)
