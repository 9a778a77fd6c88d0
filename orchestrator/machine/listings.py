"""Listings: columns of completed invocations, for questions about many of them.

Reading a million rows takes seconds, so what people filter and count by is kept a second time,
side by side for many: see `ListingRow`. Rules:
- What is listed of a completed invocation never changes; one that is purged by hand is marked.
- Those whose retention is over stay listed until the bucket is over: readers look at the time.
"""

from itertools import islice

from orchestrator.codec.keys import listing_bucket_ms, listing_key, listing_number
from orchestrator.machine.step import Step
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
from orchestrator.model.values import SERVICE, Failure

_FULL_BYTES = LISTED_COUNT_MAX * INVOCATION_ID_BYTES


def list_completed(step: Step, done: CompletedRow) -> None:
    """Add a new one to the open listing of its bucket."""
    if done.expires_at_ms <= step.now_ms:
        return  # nobody is ever shown it
    invoke = done.invoke
    key, row = _open_listing(step, _bucket_ms(done))
    kind, ids, names = invoke.kind, row.ids, row.names
    raw_key = b"" if kind == SERVICE else invoke.key.encode()
    name = (invoke.service, invoke.handler, kind, done.deployment, done.protocol, done.server)
    number_of_names = names.setdefault(name, len(names))
    done.listed = listing_number(key) * LISTED_COUNT_MAX + len(ids) // INVOCATION_ID_BYTES
    ids += invoke.id
    row.times += LISTED_TIMES.pack(
        invoke.created_at_ms, done.running_at_ms, done.completed_at_ms, done.expires_at_ms
    )
    row.codes += LISTED_CODES.pack(len(raw_key), number_of_names, _flags(done))
    row.keys += raw_key


def _flags(done: CompletedRow) -> int:
    flags = done.invoke.by << LISTED_BY_SHIFT
    if isinstance(done.outcome, Failure):
        flags |= LISTED_FAILED
    if done.events or done.retries is not None:
        flags |= LISTED_TROUBLED
    return flags


def unlist(step: Step, done: CompletedRow) -> None:
    """It is purged before its retention is over. If a clock was turned back its listing may be
    gone already, and another one in its place."""
    if done.listed < 0:
        return
    number, place = divmod(done.listed, LISTED_COUNT_MAX)
    key = listing_key(_bucket_ms(done), number)
    row = step.state.listings.get(key)
    at = place * INVOCATION_ID_BYTES
    if row is None or row.ids[at : at + INVOCATION_ID_BYTES] != done.invoke.id:
        return
    row.gone.append(place)
    step.state.listings.touch(key)


def drop_listings(step: Step) -> None:
    """Remove some of those whose bucket is over."""
    state = step.state
    over = state.listings.scan(b"", listing_key(step.now_ms + 1, 0))
    for key in [key for key, _ in islice(over, LISTINGS_DROPPED_MAX)]:
        state.listings.delete(key)
        state.open_listings.pop(listing_bucket_ms(key), None)


def _bucket_ms(done: CompletedRow) -> int:
    """When the last of its bucket expires, at the latest."""
    retention_ms = done.expires_at_ms - done.completed_at_ms
    size = LISTING_COARSE_MS if retention_ms >= RETENTION_COARSE_FROM_MS else LISTING_FINE_MS
    return -(-done.expires_at_ms // size) * size


def _open_listing(step: Step, bucket_ms: int) -> tuple[bytes, ListingRow]:
    """The last listing of a bucket, to be changed in place; a new one if that is full."""
    state = step.state
    key = state.open_listings.get(bucket_ms)
    if key is None:
        key = state.open_listings[bucket_ms] = _last_key(step, bucket_ms)
    row = state.listings.get(key)
    if row is not None:
        if len(row.ids) < _FULL_BYTES and len(row.keys) < LISTED_KEYS_BYTES_MAX:
            state.listings.touch(key)
            return key, row
        key = state.open_listings[bucket_ms] = listing_key(bucket_ms, listing_number(key) + 1)
    row = ListingRow()
    state.listings.add(key, row)
    return key, row


def _last_key(step: Step, bucket_ms: int) -> bytes:
    """Of the listings of a bucket; that of its first one if there is none."""
    start, stop = listing_key(bucket_ms, 0), listing_key(bucket_ms + 1, 0)
    return max(step.state.listings.keys(start, stop), default=start)
