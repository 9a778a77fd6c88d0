"""Completed invocations as columns, from their listings: see `tables/listings.py`."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.codec.rows import row_decoder
from orchestrator.model.rows import (
    LISTED_BY_SHIFT,
    LISTED_CODES,
    LISTED_FAILED,
    LISTED_TIMES,
    LISTED_TROUBLED,
    ListingRow,
)
from orchestrator.model.values import COMPLETED, RESTATE_VERSION, SERVICE, STATUS_NAMES
from orchestrator.sql import words
from orchestrator.sql.id_texts import id_texts
from orchestrator.sql.strides import every, places
from orchestrator.tables.port import Pair
from perdure.wire.ids import INVOCATION_ID_BYTES, invocation_id_to_str

LISTINGS_AT_ONCE = 16  # about 16,000 invocations, 1 MiB
_SKEW_MS = 60_000  # of the clocks of two machines, at most, and how long opening takes
_FEW_IDS = 2_000  # one by one: the tables for many take 60 ms to make

_decode = row_decoder(ListingRow)
_ID = pa.binary(INVOCATION_ID_BYTES)
_TEXT = pa.large_string()
_TIME = pa.timestamp("ms", tz="+00:00")
_NOTHING = pa.scalar("", _TEXT)


class Listed:
    """Some completed invocations. `names` are those that `_name` numbers."""

    __slots__ = ("_names", "_table")

    def __init__(self, table: pa.Table, names: list[tuple[str, str, int, str, int, str]]) -> None:
        """Columns _id, created_at, running_at, completed_at, expires_at, _key, _name, _flags."""
        self._table = table
        self._names = names

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __getitem__(self, name: str) -> pa.Array:
        return self._table.column(name).combine_chunks()

    def where(self, keep: Any) -> "Listed":
        return Listed(self._table.filter(keep), self._names)

    def take(self, places: Any) -> "Listed":
        return Listed(self._table.take(places), self._names)

    @property
    def only_names(self) -> "Listed":
        """A row for each name, with the columns that follow from it: see `OF_NAMES`."""
        return Listed(pa.table({"_name": places(len(self._names))}), self._names)

    def of_names(self, pick: Callable[..., Any], kind: pa.DataType = _TEXT) -> pa.Array:
        return pa.array([pick(*name) for name in self._names], kind).take(self["_name"])

    @property
    def troubled(self) -> pa.Array:
        return _has(self["_flags"], LISTED_TROUBLED)

    @property
    def ids(self) -> list[bytes]:
        return self["_id"].to_pylist()  # type: ignore[no-any-return]


def read_listings(rows: Iterator[Pair], now_ms: int, shown: set[bytes]) -> Iterator[Listed]:
    """Those whose retention is not over and that were not purged, nor are among those `shown` as
    live: a partition that is led elsewhere may have opened its listings later than its rows."""
    count = 1  # whoever wants any few needs no more
    while some := [_decode(value) for _, value in islice(rows, count)]:
        yield _without(_joined(some, now_ms), shown, now_ms - _SKEW_MS)
        count = LISTINGS_AT_ONCE


def _without(listed: Listed, shown: set[bytes], since_ms: int) -> Listed:
    """None of them completed before the scan began."""
    if not shown:
        return listed
    since = pa.scalar(since_ms, pa.int64())
    late = listed.where(pc.greater_equal(listed["completed_at"], since))
    twice = shown.intersection(late.ids)
    if not twice:
        return listed
    return listed.where(pc.invert(pc.is_in(listed["_id"], pa.array(sorted(twice), _ID))))


def _joined(rows: list[ListingRow], now_ms: int) -> Listed:
    counts = [len(row.ids) // INVOCATION_ID_BYTES for row in rows]
    times = _split(pa.int64(), [row.times for row in rows], LISTED_TIMES.size // 8)
    lengths, codes, flags = _split(pa.uint16(), [row.codes for row in rows], LISTED_CODES.size // 2)
    names = [name for row in rows for name in row.names]
    ids = pa.Array.from_buffers(_ID, sum(counts), [None, _end_to_end([row.ids for row in rows])])
    columns = {
        "_id": ids,
        "created_at": times[0],
        "running_at": times[1],
        "completed_at": times[2],
        "expires_at": times[3],
        "_key": _texts(lengths, _end_to_end([row.keys for row in rows])),
        "_name": _renumbered(codes, counts, [len(row.names) for row in rows]),
        "_flags": flags,
    }
    shown = pc.greater(times[3], pa.scalar(now_ms, pa.int64()))
    gone = list(_gone(rows, counts))
    if gone:
        is_gone = pc.is_in(places(len(ids)), pa.array(gone, pa.int32()))
        shown = pc.and_not(shown, is_gone)
    return Listed(pa.table(columns).filter(shown), names)


def _gone(rows: list[ListingRow], counts: list[int]) -> Iterator[int]:
    """Places of those that were purged; the same id may be listed again further on."""
    before = 0
    for row, count in zip(rows, counts, strict=True):
        yield from (before + place for place in row.gone)
        before += count


def _end_to_end(parts: list[bytearray]) -> pa.Buffer:
    return pa.py_buffer(b"".join(parts))


def _split(kind: pa.DataType, parts: list[bytearray], width: int) -> list[pa.Array]:
    """The columns of numbers that lie row after row."""
    buffer = _end_to_end(parts)
    flat = pa.Array.from_buffers(kind, buffer.size // (kind.bit_width // 8), [None, buffer])
    return [every(flat, width, at) for at in range(width)]


def _texts(lengths: pa.Array, content: pa.Buffer) -> pa.Array:
    """Texts that lie end to end."""
    ends = pc.cumulative_sum(lengths.cast(pa.int64()))
    offsets = pa.concat_arrays([pa.array([0], pa.int64()), ends]).buffers()[1]
    return pa.LargeStringArray.from_buffers(len(lengths), offsets, content)


def _renumbered(codes: pa.Array, counts: list[int], names: list[int]) -> pa.Array:
    """The numbers of names, of which each listing counts its own."""
    parts, at, before = [], 0, 0
    for count, own in zip(counts, names, strict=True):
        part = codes.slice(at, count).cast(pa.int32())
        parts.append(pc.add(part, pa.scalar(before, pa.int32())) if before else part)
        at += count
        before += own
    return pa.concat_arrays(parts)


# columns, by the names they have in the tables

ListedColumn = Callable[[Listed], pa.Array]


def listed_batch(listed: Listed, columns: dict[str, ListedColumn], schema: pa.Schema) -> pa.Table:
    """The columns of a schema; what is not among them is null."""
    arrays = [
        columns[field.name](listed).cast(field.type)
        if field.name in columns
        else pa.nulls(len(listed), field.type)
        for field in schema
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _always(value: str) -> ListedColumn:
    return lambda listed: pa.repeat(pa.scalar(value, _TEXT), len(listed))


def _has(flags: pa.Array, flag: int) -> pa.Array:
    bit = pc.bit_wise_and(flags, pa.scalar(flag, pa.uint16()))
    return pc.not_equal(bit, pa.scalar(0, pa.uint16()))


def _result(listed: Listed) -> pa.Array:
    failed = _has(listed["_flags"], LISTED_FAILED)
    return pc.if_else(failed, pa.scalar("failure", _TEXT), pa.scalar("success", _TEXT))


def _invoked_by(listed: Listed) -> pa.Array:
    shift = pa.scalar(LISTED_BY_SHIFT, pa.uint16())
    known = [words.INVOKED_BY[number] for number in range(len(words.INVOKED_BY))]
    return pa.array(known, _TEXT).take(pc.shift_right(listed["_flags"], shift))


def _key(listed: Listed) -> pa.Array:
    is_keyed = listed.of_names(lambda _, __, kind, *rest: kind != SERVICE, pa.bool_())
    return pc.if_else(is_keyed, listed["_key"], pa.scalar(None, _TEXT))


def _target(listed: Listed) -> pa.Array:
    """`Service/handler` or `Service/key/handler`."""
    before = listed.of_names(lambda service, *rest: f"{service}/")
    after = listed.of_names(
        lambda _, handler, kind, *rest: handler if kind == SERVICE else f"/{handler}"
    )
    return pc.binary_join_element_wise(before, listed["_key"], after, _NOTHING)


def _id(listed: Listed) -> pa.Array:
    if len(listed) < _FEW_IDS:
        return pa.array([invocation_id_to_str(one) for one in listed.ids], _TEXT)
    return id_texts(_raw_ids(listed))


def _raw_ids(listed: Listed) -> bytes:
    array = listed["_id"]
    first = array.offset * INVOCATION_ID_BYTES
    content = array.buffers()[1].slice(first, len(array) * INVOCATION_ID_BYTES)
    return content.to_pybytes()  # type: ignore[no-any-return]


def _partition_key(listed: Listed) -> pa.Array:
    """The first eight bytes of the id, the highest first."""
    flat = pa.Array.from_buffers(
        pa.uint8(), len(listed) * INVOCATION_ID_BYTES, [None, pa.py_buffer(_raw_ids(listed))]
    )
    whole = pa.repeat(pa.scalar(0, pa.uint64()), len(listed))
    for at in range(8):
        byte = every(flat, INVOCATION_ID_BYTES, at).cast(pa.uint64())
        whole = pc.bit_wise_or(pc.shift_left(whole, pa.scalar(8, pa.uint64())), byte)
    return whole


def _time(name: str) -> ListedColumn:
    return lambda listed: listed[name].cast(_TIME)


def _time_if_any(name: str) -> ListedColumn:
    def shown(listed: Listed) -> pa.Array:
        times = listed[name]
        never = pc.equal(times, pa.scalar(0, pa.int64()))
        return pc.if_else(never, pa.scalar(None, pa.int64()), times).cast(_TIME)

    return shown


def _retention(listed: Listed) -> pa.Array:
    return pc.subtract(listed["expires_at"], listed["completed_at"]).cast(pa.duration("ms"))


def _of_name(pick: Callable[..., Any], kind: pa.DataType = _TEXT) -> ListedColumn:
    return lambda listed: listed.of_names(pick, kind)


LISTED_COLUMNS: dict[str, ListedColumn] = {
    "partition_key": _partition_key,
    "id": _id,
    "status": _always(STATUS_NAMES[COMPLETED]),
    "completion_result": _result,
    "target": _target,
    "target_service_name": _of_name(lambda service, *rest: service),
    "target_service_key": _key,
    "target_handler_name": _of_name(lambda _, handler, *rest: handler),
    "target_service_ty": _of_name(lambda _, __, kind, *rest: words.SERVICE_TY[kind]),
    "invoked_by": _invoked_by,
    "pinned_deployment_id": _of_name(lambda *name: name[3] or None),
    "pinned_service_protocol_version": _of_name(lambda *name: name[4] or None, pa.uint32()),
    "created_at": _time("created_at"),
    "created_using_restate_version": _always(RESTATE_VERSION),
    "modified_at": _time("completed_at"),
    "running_at": _time_if_any("running_at"),
    "completed_at": _time("completed_at"),
    "completion_retention": _retention,
}

OF_NAMES = frozenset(
    (
        "status",
        "target_service_name",
        "target_handler_name",
        "target_service_ty",
        "pinned_deployment_id",
        "pinned_service_protocol_version",
        "created_using_restate_version",
    )
)
"""Those that are the same for all of one name."""
