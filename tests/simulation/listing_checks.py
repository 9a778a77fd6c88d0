"""What questions about many completed invocations are answered from, beside their rows."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from orchestrator.codec import keys
from orchestrator.model.limits import LISTINGS_DROPPED_MAX
from orchestrator.model.records import AnyRecord, PurgeExpired
from orchestrator.processor.partition import Partition
from orchestrator.sql.batching import of_views
from orchestrator.sql.invocations import STATUS_COLUMNS, InvocationView
from orchestrator.sql.listed import LISTED_COLUMNS, listed_batch, read_listings
from orchestrator.sql.schemas import SCHEMAS

if TYPE_CHECKING:
    from tests.simulation.oracle import Oracle

Shown = dict[str, Any]
LOOKS: Final = 4  # at each partition while its log is applied again


def _as_numbers(field: pa.Field) -> pa.Field:
    is_time = pa.types.is_timestamp(field.type) or pa.types.is_duration(field.type)
    return field.with_type(pa.int64()) if is_time else field


_SCHEMA: Final = pa.schema(
    [_as_numbers(f) for f in SCHEMAS["sys_invocation_status"] if f.name in LISTED_COLUMNS]
)


class Latest:
    """The latest time that a record of a log named: where no clock is turned back, no query comes
    at an earlier one."""

    def __init__(self) -> None:
        self.now_ms = 0

    def passed(self, records: list[Any]) -> None:
        self.now_ms = max(self.now_ms, *map(_time_of, records))


def _time_of(record: Any) -> int:
    times = [getattr(record, "now_ms", 0), getattr(record, "created_at_ms", 0)]
    return max(*times, *map(_time_of, getattr(record, "items", ())))


def check_listings(oracle: "Oracle", partition: Partition, latest: Latest) -> None:
    """Each retained completed invocation once, as its row has it, and nothing else. As for a
    query, what is dirty has been written before."""
    shown = _by_listings(partition, latest.now_ms)
    retained = _by_rows(partition, latest.now_ms)
    counts = Counter(row["id"] for row in shown)
    where = f"partition {partition.number}"
    twice = [one for one, count in counts.items() if count > 1]
    if twice:
        oracle.broken("listings", f"{where}: {twice[0]} is listed twice")
    if counts.keys() - retained.keys():
        one = sorted(counts.keys() - retained.keys())[0]
        oracle.broken("listings", f"{where}: {one} is listed and is not retained")
    if retained.keys() - counts.keys():
        one = sorted(retained.keys() - counts.keys())[0]
        oracle.broken("listings", f"{where}: {one} is retained and not listed")
    for row in shown:
        if row != retained.get(row["id"], row):
            oracle.broken("listings", f"{where}: {row} is listed, {retained[row['id']]} is so")


def _by_listings(partition: Partition, now_ms: int) -> list[Shown]:
    start = keys.LISTING
    pairs = partition.state.store.scan(start, keys.prefix_end(start))
    live = {key for key, _ in partition.state.invocations.scan()}
    return [
        row
        for listed in read_listings(pairs, now_ms, live)
        for row in listed_batch(listed, LISTED_COLUMNS, _SCHEMA).to_pylist()
    ]


def _by_rows(partition: Partition, now_ms: int) -> dict[str, Shown]:
    views = (
        InvocationView(row, None, 0)
        for _, row in partition.state.completed.scan()
        if row.expires_at_ms > now_ms
    )
    batches = of_views(views, STATUS_COLUMNS, _SCHEMA)
    return {row["id"]: row for batch in batches for row in batch.to_pylist()}


def listed_over(partition: Partition, record: AnyRecord) -> int:
    """How many listings this record finds over; 0 if it is none that removes them."""
    if not isinstance(record, PurgeExpired) or record.epoch != partition.state.partition_row.epoch:
        return 0
    return len(list(partition.state.listings.keys(b"", keys.listing_key(record.now_ms + 1, 0))))


def check_dropped(oracle: "Oracle", partition: Partition, record: AnyRecord, before: int) -> None:
    """Those that are over go with the purge of what they list, a bounded number at once."""
    left = listed_over(partition, record)
    if left > max(0, before - LISTINGS_DROPPED_MAX):
        oracle.broken("listings", f"partition {partition.number} keeps {left} that are over")
