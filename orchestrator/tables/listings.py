"""Listings: columns of completed invocations, for questions about many of them.

Reading a million rows takes seconds, so what people filter and count by is kept a second time,
side by side for many: see `ListingRow`. Rules:
- What is listed of a completed invocation never changes; one that is purged by hand is marked.
- Those whose retention is over stay listed until the bucket is over: readers look at the time.
- Invocations are listed in the order in which they completed, whenever that is done: so it is done
  for many at once, before a spill or whatever else looks at listings, and the bytes are the same.
"""

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, groupby, islice, starmap
from operator import attrgetter

from orchestrator.codec import keys
from orchestrator.codec.keys import listing_bucket_ms, listing_key, listing_number
from orchestrator.model.ids import INVOCATION_ID_BYTES
from orchestrator.model.limits import (
    LISTED_COUNT_MAX,
    LISTED_KEYS_BYTES_MAX,
    LISTING_COARSE_MS,
    LISTING_FINE_MS,
    LISTINGS_DROPPED_MAX,
    RETENTION_COARSE_FROM_MS,
)
from orchestrator.model.rows import (
    LISTED_BY_SHIFT,
    LISTED_CODES,
    LISTED_FAILED,
    LISTED_TIMES,
    LISTED_TROUBLED,
    CompletedRow,
    ListingRow,
)
from orchestrator.model.values import Failure
from orchestrator.tables.cache import Account
from orchestrator.tables.port import Store
from orchestrator.tables.table import Table

_FULL_COUNT = LISTED_COUNT_MAX
_ID, _KEY = attrgetter("invoke.id"), attrgetter("invoke.key")
_TIMES = attrgetter("invoke.created_at_ms", "running_at_ms", "completed_at_ms", "expires_at_ms")
_NAMES = attrgetter(
    "invoke.service", "invoke.handler", "invoke.kind", "deployment", "protocol", "server"
)


class Listings(Table[ListingRow]):
    """The table of listings, and the completed invocations that are not listed yet.

    Many at a time, a column after the other: each costs a third of what it would by itself.
    """

    __slots__ = ("_last_keys", "_unlisted")

    def __init__(self, store: Store, account: Account) -> None:
        super().__init__(store, keys.LISTING, ListingRow, account, rarely_read=True)
        self._unlisted: list[CompletedRow] = []
        self._last_keys: dict[int, bytes] = {}  # bucket -> key of its last listing

    def list_later(self, done: CompletedRow) -> None:
        """A new one completed: list it, unless nobody is ever shown it."""
        if done.expires_at_ms > done.completed_at_ms:
            self._unlisted.append(done)

    def unlist(self, done: CompletedRow) -> None:
        """It is purged before its retention is over. If a clock was turned back its listing may be
        gone already, and another one in its place."""
        self._list_all()
        if done.listed < 0:
            return
        number, place = divmod(done.listed, LISTED_COUNT_MAX)
        key = listing_key(_bucket_ms(done), number)
        row = self.get(key)
        at = place * INVOCATION_ID_BYTES
        if row is not None and row.ids[at : at + INVOCATION_ID_BYTES] == done.invoke.id:
            row.gone.append(place)
            self.touch(key)

    def drop_some(self, now_ms: int) -> None:
        """Remove some of those whose bucket is over."""
        over = self.scan(b"", listing_key(now_ms + 1, 0))
        for key in [key for key, _ in islice(over, LISTINGS_DROPPED_MAX)]:
            self.delete(key)
            self._last_keys.pop(listing_bucket_ms(key), None)

    def scan(
        self, start: bytes = b"", stop: bytes | None = None
    ) -> Iterator[tuple[bytes, ListingRow]]:
        self._list_all()
        return super().scan(start, stop)

    def keys(self, start: bytes, stop: bytes) -> Iterator[bytes]:
        self._list_all()
        return super().keys(start, stop)

    def drain(self, writes: list[tuple[bytes, bytes | None]]) -> None:
        """Sets in the rows of those it lists where they are: these are drained after it."""
        self._list_all()
        super().drain(writes)

    def _list_all(self) -> None:
        unlisted, self._unlisted = self._unlisted, []
        for bucket_ms, some in groupby(unlisted, _bucket_ms):
            run = list(some)
            while run:
                key, row = self._open(bucket_ms)
                run = run[_append(row, run, listing_number(key) * LISTED_COUNT_MAX) :]

    def _open(self, bucket_ms: int) -> tuple[bytes, ListingRow]:
        """The last listing of a bucket, to be changed in place; a new one if that is full."""
        key = self._last_keys.get(bucket_ms) or self._last_key(bucket_ms)
        row = self.get(key)
        if row is None or _is_full(row):
            key = key if row is None else listing_key(bucket_ms, listing_number(key) + 1)
            row = ListingRow()
            self.add(key, row)
        else:
            self.touch(key)
        self._last_keys[bucket_ms] = key
        return key, row

    def _last_key(self, bucket_ms: int) -> bytes:
        """Of the listings of a bucket; that of its first one if there is none."""
        start, stop = listing_key(bucket_ms, 0), listing_key(bucket_ms + 1, 0)
        return max(self.keys(start, stop), default=start)


def _bucket_ms(done: CompletedRow) -> int:
    """When the last of its bucket expires, at the latest."""
    expires_at_ms = done.expires_at_ms
    is_coarse = expires_at_ms - done.completed_at_ms >= RETENTION_COARSE_FROM_MS
    size = LISTING_COARSE_MS if is_coarse else LISTING_FINE_MS
    return -(-expires_at_ms // size) * size


def _is_full(row: ListingRow) -> bool:
    return (
        len(row.ids) >= _FULL_COUNT * INVOCATION_ID_BYTES or len(row.keys) >= LISTED_KEYS_BYTES_MAX
    )


def _append(row: ListingRow, run: list[CompletedRow], first: int) -> int:
    """Add those that come next until the row is full, a column at a time; how many they are.
    `first` is the number of the first place of the row."""
    place = len(row.ids) // INVOCATION_ID_BYTES
    keys = [*map(str.encode, map(_KEY, run[: _FULL_COUNT - place]))]
    keys_before = [*accumulate(map(len, keys), initial=len(row.keys))]
    count = min(len(keys), bisect_left(keys_before, LISTED_KEYS_BYTES_MAX))
    keys, run = keys[:count], run[:count]
    names, known = [*map(_NAMES, run)], row.names
    for name in dict.fromkeys(names):
        known.setdefault(name, len(known))
    codes = zip(map(len, keys), map(known.__getitem__, names), map(_flags, run), strict=True)
    row.ids += b"".join(map(_ID, run))
    row.times += b"".join(starmap(LISTED_TIMES.pack, map(_TIMES, run)))
    row.codes += b"".join(starmap(LISTED_CODES.pack, codes))
    row.keys += b"".join(keys)
    for number, done in enumerate(run, first + place):
        done.listed = number
    return count


def _flags(done: CompletedRow) -> int:
    flags = done.invoke.by << LISTED_BY_SHIFT
    if isinstance(done.outcome, Failure):
        flags |= LISTED_FAILED
    if done.events or done.retries is not None:
        flags |= LISTED_TROUBLED
    return flags
