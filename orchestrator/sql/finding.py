"""Finds completed invocations by their listings: those that pass a filter, or the first of them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.sql.asked import Scanned
from orchestrator.sql.listed import LISTED_COLUMNS, Listed, listed_batch
from orchestrator.sql.plans import Top
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
    return Sought(asked.filter if decidable else None, asked.filtered, unsure, top)


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


def _any(some: Iterator[Listed], limit: int) -> Iterator[Listed]:
    for each in some:
        yield each
        limit -= len(each)
        if limit <= 0:
            return


def _passing(listed: Listed, wanted: Sought, schema: pa.Schema) -> Listed:
    if wanted.filter is None:
        return listed
    asked_of = pa.schema([field for field in schema if field.name in wanted.filtered])
    table = pa.table(listed_batch(listed, LISTED_COLUMNS, asked_of))
    numbers = places(len(listed))
    passes = table.append_column("_at", numbers).filter(wanted.filter)["_at"]
    if wanted.unsure:
        kept = pc.is_in(numbers, passes.combine_chunks())
        return listed.where(pc.or_(kept, listed.troubled))
    return listed if len(passes) == len(listed) else listed.take(passes)


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
    # `select_k_unstable` takes a hundred times as long.
    at = len(times) - top.limit if top.descending else top.limit - 1
    last: Any = times[pc.partition_nth_indices(times, pivot=at)[at].as_py()]
    is_first = pc.greater_equal if top.descending else pc.less_equal
    cut = (each.where(is_first(each[column], last)) for each in kept)
    return [each for each in cut if len(each)]
