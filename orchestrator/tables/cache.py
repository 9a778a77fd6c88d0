"""One budget in bytes for the rows that the tables of a process keep in memory by choice.

Rows that a spill wrote stay in memory as long as there is room, except those that hardly anybody
reads again: invocations that are over. Each table keeps them in two generations: rows used since
the last turn of generations, and the others. A turn drops the others. A table turns when its used
rows reach a part of the budget, and when the budget is spent: then the tables of all partitions
turn one after the other. Rows that no spill wrote yet count too, by the size of the records they
came with and of what those copied: one result goes to all who wait for it. They cannot be given up,
so they are spilled early.
"""

from collections.abc import Sequence
from typing import Protocol
from weakref import ref

CACHE_BYTES_MAX = 128 << 20
ROW_OVERHEAD_BYTES = 1_000  # about what a row costs beside its encoded size, as objects
KEPT_BYTES_MAX = 1 << 62  # a row of any size
KEPT_ONCE_WRITTEN_BYTES = 64 << 10  # larger bodies would drive out rows that change; read anew
LOOKED_AT_MAX = 10_000  # rows, by one call: some ten times of what a spill adds
SHRINK_TO = 0.75  # of the budget: so that not every spill gives something up
GENERATION_PART = 4  # a generation of a table is about this part of the budget at most


class Account:
    """What the tables of one partition hold."""

    __slots__ = ("clean_bytes", "dirty_bytes", "generation_bytes_max")

    def __init__(self, generation_bytes_max: int) -> None:
        self.generation_bytes_max = generation_bytes_max
        self.clean_bytes = 0
        self.dirty_bytes = 0  # of the records applied since the last spill, and what they copied


class CachedTable(Protocol):
    """A table that keeps rows."""

    def drop_unused(self) -> int:
        """Give up the rows not used since the last time; how many rows it looked at."""
        ...


class CacheOwner(Protocol):
    """The state of a partition."""

    @property
    def account(self) -> Account: ...

    @property
    def tables(self) -> Sequence[CachedTable]: ...


class Cache:
    """The budget, and the partitions that draw on it, as long as somebody holds them."""

    __slots__ = ("_owners", "_turn", "bytes_max")

    def __init__(self, bytes_max: int | None = None) -> None:
        self.bytes_max = CACHE_BYTES_MAX if bytes_max is None else bytes_max
        self._owners: list[ref[CacheOwner]] = []
        self._turn = 0

    def open_account(self, owner: CacheOwner) -> Account:
        """For the tables of one partition."""
        self._owners = [known for known in self._owners if known() is not None]
        self._owners.append(ref(owner))
        return Account(self.bytes_max // GENERATION_PART)

    @property
    def used_bytes(self) -> int:
        """By all partitions, written or not."""
        accounts = [owner.account for owner in self._live()]
        return sum(account.clean_bytes + account.dirty_bytes for account in accounts)

    def shrink(self, bytes_max: int | None = None) -> bool:
        """Give rows up until there is room again, or to less than the whole budget. It looks at a
        bounded number of rows; whether there may be more to give up.

        Only between records: those who apply them hold rows.
        """
        bytes_max = self.bytes_max if bytes_max is None else bytes_max
        if self.used_bytes <= bytes_max:
            return False
        tables = [table for owner in self._live() for table in owner.tables]
        aim_bytes = int(bytes_max * SHRINK_TO)
        looked_at = 0
        for _ in range(2 * len(tables)):  # twice: to make rows unused, and to drop them
            self._turn += 1
            looked_at += tables[self._turn % len(tables)].drop_unused()
            if self.used_bytes <= aim_bytes:
                return False
            if looked_at >= LOOKED_AT_MAX:
                return True
        return False

    def _live(self) -> list[CacheOwner]:
        return [owner for known in self._owners if (owner := known()) is not None]
