"""Memory that connections hold together, in bytes; when there is too much the slowest gives way.

One budget for small requests that are not complete, one for large ones, one for answers that are
not read. A newcomer is not refused because others hold much: the connection that moved least in the
last seconds gives way, of equals the one that holds most. So stalled connections never keep out
those that move.
"""

from collections.abc import Callable
from typing import Final

REQUEST_BYTES: Final = 512  # what a request takes, about, beside its head and its body
HEADER_BYTES: Final = 128  # what a header takes, about, beside its name and value
HEAD_BYTES_FREE: Final = 4 * 1024  # a head up to this size does not count


class Share:
    """What one connection holds of a budget.

    `give_way` is called to get bytes back: it calls `leave`, or `shrink` with less than before.
    """

    __slots__ = ("budget", "give_way", "held_bytes", "moved_bytes", "pace_bytes")

    def __init__(self, give_way: Callable[[], None]) -> None:
        self.give_way = give_way
        self.budget: Budget | None = None  # the one that counts it now
        self.held_bytes = 0
        self.moved_bytes = 0  # since the last sweep
        self.pace_bytes = 0  # bytes moved in a second, of late


def _order(share: Share) -> tuple[int, int]:
    return (share.pace_bytes + share.moved_bytes, -share.held_bytes)


class Budget:
    """An account of shares, and how much they may be in sum."""

    __slots__ = ("_shares", "bytes_max", "held_bytes")

    def __init__(self, bytes_max: int) -> None:
        self.bytes_max = bytes_max
        self.held_bytes = 0
        self._shares: dict[Share, None] = {}

    def __len__(self) -> int:
        return len(self._shares)

    def put(self, share: Share, held_bytes: int) -> None:
        """From now on `share` holds so many bytes here. Some share gives way if that is too much,
        perhaps this very one."""
        if share.budget is not self:
            leave(share)
            share.budget = self
            self._shares[share] = None
        self.shrink(share, held_bytes)
        while self.held_bytes > self.bytes_max:
            before_bytes = self.held_bytes
            min(self._shares, key=_order).give_way()
            assert self.held_bytes < before_bytes, "a share that gives way holds less"

    def shrink(self, share: Share, held_bytes: int) -> None:
        """As `put`, and nobody has to give way."""
        if not held_bytes:
            leave(share)
            return
        self.held_bytes += held_bytes - share.held_bytes
        share.held_bytes = held_bytes

    def sweep(self) -> None:
        """Once a second: what moved longer ago counts half."""
        for share in self._shares:
            share.pace_bytes = (share.pace_bytes + share.moved_bytes) // 2
            share.moved_bytes = 0

    def _forget(self, share: Share) -> None:
        del self._shares[share]
        self.held_bytes -= share.held_bytes


def leave(share: Share) -> None:
    """It holds nothing any more."""
    budget, share.budget = share.budget, None
    if budget is not None:
        budget._forget(share)
        share.held_bytes = 0


class Uploads:
    """Requests that are not complete, large heads and bodies: small ones have a budget of their
    own, so that large ones never keep them out."""

    __slots__ = ("large", "small", "small_bytes_max")

    def __init__(self, small_bytes_max: int, all_small_bytes_max: int, bytes_max: int) -> None:
        self.small_bytes_max = small_bytes_max
        self.small = Budget(all_small_bytes_max)
        self.large = Budget(bytes_max)

    def put(self, share: Share, held_bytes: int) -> None:
        """As `Budget.put`, by size."""
        budget = self.large if held_bytes > self.small_bytes_max else self.small
        budget.put(share, held_bytes)

    @property
    def held_bytes(self) -> int:
        return self.small.held_bytes + self.large.held_bytes

    def sweep(self) -> None:
        self.small.sweep()
        self.large.sweep()
