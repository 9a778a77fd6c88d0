"""Finds completed invocations by their listings: those that pass a filter, or the first of them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.sql.asked import Scanned
from orchestrator.sql.listed import (
    LISTED_COLUMNS,
    OF_NAMES,
    Listed,
    ListedColumn,
    listed_batch,
)
from orchestrator.sql.plans import FirstId, Top
from orchestrator.sql.strides import places

TOP_COUNT_MAX = 10_000
_TIMES = {
    "created_at": "created_at",
    "modified_at": "completed_at",
    "completed_at": "completed_at",
}
_CUT_AT_ROWS = 32_000  # how many more than wanted may come together before they are cut


class Sought(NamedTuple):
    """`filter` is None if listings cannot decide it, or if there is none; `unsure`: columns that
    it asks for and that listings do not have of those whose attempts failed."""

    filter: pc.Expression | None
    filtered: frozenset[str]
    unsure: frozenset[str]
    top: Top | None
    first_id: FirstId | None = None

    @property
    def is_narrow(self) -> bool:
        return self.filter is not None or self.top is not None


def sought_of(asked: Scanned, of_trouble: frozenset[str]) -> Sought:
    """What listings can say to a question. `of_trouble`: columns that are null where no attempt
    ever failed."""
    unsure = asked.filtered & of_trouble
    decidable = asked.filtered - of_trouble <= LISTED_COLUMNS.keys()
    hint = asked.narrowed.hint
    top = None if hint is None else hint.top
    if top is not None and not (decidable and _is_usable(top, bool(unsure))):
        top = None
    first_id = None if hint is None or unsure or not decidable else hint.first_id
    if first_id is not None and "id" in asked.filtered:
        first_id = None
    return Sought(asked.filter if decidable else None, asked.filtered, unsure, top, first_id)


def _is_usable(top: Top, unsure: bool) -> bool:
    if not top.column:
        return not unsure
    return top.column in _TIMES and top.limit <= TOP_COUNT_MAX


def found(listings: Iterator[Listed], wanted: Sought, schema: pa.Schema) -> Iterator[Listed]:
    """Those that pass. If the filter is `unsure`, all of those too whose attempts failed."""
    passing = (_passing(each, wanted, schema) for each in listings)
    if wanted.top is None:
        return passing
    return _first(passing, wanted) if wanted.top.column else _any(passing, wanted.top.limit)


def columns_of(wanted: Sought) -> dict[str, ListedColumn]:
    """How the columns are made: of ids only those that may be shown, the others are null."""
    first = wanted.first_id
    if first is None or first.column not in _TIMES or not first.groups <= OF_NAMES:
        return LISTED_COLUMNS
    return LISTED_COLUMNS | {"id": lambda listed: _first_ids(listed, first)}


def _first_ids(listed: Listed, first: FirstId) -> pa.Array:
    """Those of the first rows of each name, and of rows as early, or late, as these."""
    times = listed[_TIMES[first.column]]
    how = "max" if first.descending else "min"
    by_name = pa.table({"name": listed["_name"], "at": times}).group_by("name")
    firsts = by_name.aggregate([("at", how)])
    row = pc.index_in(listed["_name"], firsts["name"].combine_chunks())
    is_first = pc.equal(times, firsts[f"at_{how}"].combine_chunks().take(row))
    ids = LISTED_COLUMNS["id"](listed.where(is_first))
    return pc.replace_with_mask(pa.nulls(len(listed), ids.type), is_first, ids)


def _any(some: Iterator[Listed], limit: int) -> Iterator[Listed]:
    for each in some:
        yield each
        limit -= len(each)
        if limit <= 0:
            return


def _passing(listed: Listed, wanted: Sought, schema: pa.Schema) -> Listed:
    """Only what may be shown is copied: of those that pass the first ones, if these are asked
    for."""
    passes = None if wanted.filter is None else _passing_places(listed, wanted, schema)
    if wanted.unsure:
        if passes is None:
            return listed
        kept = pc.is_in(places(len(listed)), passes)
        return listed.where(pc.or_(kept, listed.troubled))
    if wanted.top is not None and wanted.top.column:
        passes = _first_places(listed, passes, wanted.top)
    return listed if passes is None or len(passes) == len(listed) else listed.take(passes)


def _passing_places(listed: Listed, wanted: Sought, schema: pa.Schema) -> pa.Array | None:
    """None if all pass."""
    if not wanted.filtered <= OF_NAMES:
        return _places_of(listed, wanted, schema)
    named = listed.only_names  # a few names are looked at instead of all rows
    passes = _places_of(named, wanted, schema)
    if len(passes) == len(named):
        return None
    return pc.indices_nonzero(pc.is_in(listed["_name"], passes))


def _first_places(listed: Listed, passes: pa.Array | None, top: Top) -> pa.Array | None:
    """Of those the first ones, and those that are as early, or late, as the last of them."""
    times = listed[_TIMES[top.column]]
    if passes is not None:
        times = times.take(passes)
    if len(times) <= top.limit:
        return passes
    kept = pc.indices_nonzero(_is_first(top)(times, _last_of(times, top)))
    return kept if passes is None else passes.take(kept)


def _places_of(listed: Listed, wanted: Sought, schema: pa.Schema) -> pa.Array:
    """Of those that pass the filter."""
    asked_of = pa.schema([field for field in schema if field.name in wanted.filtered])
    table = pa.table(listed_batch(listed, LISTED_COLUMNS, asked_of))
    numbered = table.append_column("_at", places(len(listed)))
    return numbered.filter(wanted.filter)["_at"].combine_chunks()


def _first(some: Iterator[Listed], wanted: Sought) -> Iterator[Listed]:
    """At least the first ones: those that are as early, or late, as the last of them, too; and
    those of which it is not sure that they pass."""
    assert wanted.top is not None
    kept: list[Listed] = []
    count = 0
    for each in some:
        if wanted.unsure:
            yield each.where(each.troubled)
            each = each.where(pc.invert(each.troubled))
        kept.append(each)
        count += len(each)
        if count > wanted.top.limit + _CUT_AT_ROWS:
            kept = _cut(kept, wanted.top)
            count = sum(map(len, kept))
    yield from _cut(kept, wanted.top)


def _cut(kept: list[Listed], top: Top) -> list[Listed]:
    column = _TIMES[top.column]
    times = pa.chunked_array([each[column] for each in kept], pa.int64()).combine_chunks()
    if len(times) <= top.limit:
        return kept
    last = _last_of(times, top)
    cut = (each.where(_is_first(top)(each[column], last)) for each in kept)
    return [each for each in cut if len(each)]


def _last_of(times: pa.Array, top: Top) -> pa.Scalar:
    """The time of the last of the first ones, of which there are as many as are asked for."""
    # `select_k_unstable` takes a hundred times as long.
    at = len(times) - top.limit if top.descending else top.limit - 1
    return times[pc.partition_nth_indices(times, pivot=at)[at].as_py()]


def _is_first(top: Top) -> Callable[[pa.Array, pa.Scalar], pa.Array]:
    return pc.greater_equal if top.descending else pc.less_equal  # type: ignore[no-any-return]
