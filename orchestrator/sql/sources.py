"""Every table: the raw rows it is read from, and how they become columns."""

import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple

import msgspec
import orjson
import pyarrow as pa

from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.machine.stored_journal import whole_journal
from orchestrator.model.rows import (
    ChunkRow,
    CompletedRow,
    InputRow,
    InvocationRow,
    JournalChunk,
)
from orchestrator.model.values import SUSPENDED
from orchestrator.sql import batching, invocations, keyed, needs, topics, words
from orchestrator.sql.entries import entries
from orchestrator.sql.entry_shapes import Callee
from orchestrator.sql.events import events_columns, suspended_columns
from orchestrator.sql.needs import Need
from orchestrator.tables.port import Pair
from perdure.wire.ids import invocation_id_to_str

RowIterator = Iterator[Pair]
Dicts = Iterator[dict[str, Any]]

_live = row_decoder(InvocationRow)
_done = row_decoder(CompletedRow)
_chunk = row_decoder(ChunkRow)
_input = row_decoder(InputRow)


class TableSource(NamedTuple):
    """A table. `needs` gives its scans by filter; `batches` makes the rows of them, in that order,
    into batches of a schema; rows that the filter refuses may be among them."""

    needs: Callable[[object], list[Need]]
    batches: Callable[[list[RowIterator], pa.Schema], Iterator[pa.RecordBatch]]


def source_of(table: str) -> TableSource:
    """The source of a table by its name; of a feature that is off, one without rows."""
    return SOURCES.get(table, _NOTHING)


# invocations


def _invocation_source(columns: dict[str, invocations.Column], *kinds: bytes) -> TableSource:
    def views(scans: list[RowIterator], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
        return batching.of_views(_views(*scans), columns, schema)

    return TableSource(lambda where: [needs.ATTEMPTS, needs.of_ids(where, *kinds)], views)


def _views(attempts: RowIterator, rows: RowIterator) -> Iterator[invocations.InvocationView]:
    running = {key: _json(value) for key, value in attempts}
    now_ms = time.time_ns() // 1_000_000
    for raw, value in rows:
        view = _view(raw, value, running, now_ms)
        if view is not None:
            yield view


def _view(
    raw: bytes, value: bytes, attempts: dict[bytes, dict[str, Any]], now_ms: int
) -> invocations.InvocationView | None:
    """An invocation; None if it has outlived its retention."""
    if raw[:1] == keys.INVOCATION:
        return invocations.InvocationView(_live(value), attempts.get(raw[1:]), len(value))
    row = _done(value)
    return invocations.InvocationView(row, None, len(value)) if row.expires_at_ms > now_ms else None


def _whose(view: invocations.InvocationView) -> dict[str, Any]:
    return {
        "partition_key": words.partition_key(view.invoke.id),
        "id": invocation_id_to_str(view.invoke.id),
    }


def _events(rows: RowIterator) -> Dicts:
    for view in _views(iter(()), rows):
        whose = _whose(view)
        for columns in events_columns(view.row.events):
            yield whose | columns
        live = view.live
        if live is not None and live.status == SUSPENDED and live.waiting is not None:
            yield whose | suspended_columns(live, live.waiting)


# journals


def _journal_batches(scans: list[RowIterator], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    services, rows = scans
    return batching.of_dicts(_journal_entries(services, rows, schema.names), schema)


def _journal_entries(services: RowIterator, rows: RowIterator, wanted: list[str]) -> Dicts:
    callees = _callees(services)
    now_ms = time.time_ns() // 1_000_000
    for _, own in groupby(rows, key=lambda pair: pair[0][1:25]):  # what is of one id lies together
        for view, chunks in _journals(list(own), now_ms):
            whose = _whose(view)
            for entry in entries(chunks, wanted, callees):
                yield whose | entry


def _journals(
    own: list[Pair], now_ms: int
) -> Iterator[tuple[invocations.InvocationView, list[JournalChunk]]]:
    """An id's invocation, live or completed, with its journal, parts of it from other rows."""
    chunk_rows: dict[int, list[list[JournalChunk]]] = {}
    inputs: dict[int, InputRow] = {}
    for raw, value in own:
        incarnation = int.from_bytes(raw[25:33], "big")  # of rows of these two kinds
        if raw[:1] == keys.INPUT:
            inputs[incarnation] = _input(value)
        elif raw[:1] == keys.CHUNK:
            chunk_rows.setdefault(incarnation, []).append(_chunk(value).chunks)
    for raw, value in own:
        if raw[:1] in (keys.INPUT, keys.CHUNK):
            continue
        view = _view(raw, value, {}, now_ms)
        if view is None or _journal_is_gone(view.row, now_ms):
            continue
        row, invoke = view.row, view.invoke
        apart = inputs.get(row.incarnation)
        if apart is not None:
            invoke = msgspec.structs.replace(invoke, body=apart.body, headers=apart.headers)
        rows = chunk_rows.get(row.incarnation, [])
        yield view, list(whole_journal(invoke, rows, row.tail))


def _journal_is_gone(row: InvocationRow | CompletedRow, now_ms: int) -> bool:
    if isinstance(row, InvocationRow):
        return False
    return not row.entries or row.journal_expires_at_ms <= now_ms


def _callees(services: RowIterator) -> dict[tuple[str, str], Callee]:
    return {
        (service["name"], handler): msgspec.convert(callee, Callee)
        for service in _documents(services)
        for handler, callee in service["handlers"].items()
    }


# the others


def _documents(pairs: RowIterator) -> Dicts:
    return (_json(value) for _, value in pairs)


def _json(value: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(value)
    return loaded


def _of_one_scan(
    scan: Callable[[object], Need], rows: Callable[[RowIterator], Dicts]
) -> TableSource:
    return TableSource(
        lambda where: [scan(where)],
        lambda scans, schema: batching.of_dicts(rows(scans[0]), schema),
    )


def _keyed(rows: Callable[[RowIterator], Dicts], *kinds: bytes) -> TableSource:
    return _of_one_scan(lambda where: needs.of_keys(where, *kinds), rows)


_NOTHING = TableSource(lambda where: [], lambda scans, schema: iter(()))

SOURCES = {
    "sys_invocation": _invocation_source(
        invocations.INVOCATION_COLUMNS, keys.INVOCATION, keys.COMPLETED
    ),
    "sys_invocation_status": _invocation_source(
        invocations.STATUS_COLUMNS, keys.INVOCATION, keys.COMPLETED
    ),
    "sys_invocation_state": _invocation_source(invocations.STATE_COLUMNS, keys.INVOCATION),
    "sys_journal": TableSource(
        lambda where: [
            needs.SERVICES,
            needs.of_ids(where, keys.INVOCATION, keys.COMPLETED, keys.INPUT, keys.CHUNK),
        ],
        _journal_batches,
    ),
    "sys_journal_events": _of_one_scan(
        lambda where: needs.of_ids(where, keys.INVOCATION, keys.COMPLETED), _events
    ),
    "sys_inbox": _keyed(keyed.inbox, keys.INBOX),
    "state": _keyed(keyed.state, keys.OBJECT, keys.STATE),
    "sys_promise": _keyed(keyed.promises, keys.PROMISE),
    "sys_keyed_service_status": _keyed(keyed.holders, keys.OBJECT),
    "sys_locks": _keyed(keyed.locks, keys.OBJECT),
    "sys_service": _of_one_scan(lambda where: needs.SERVICES, _documents),
    "sys_deployment": _of_one_scan(lambda where: needs.DEPLOYMENTS, _documents),
    "sys_subscription": _of_one_scan(lambda where: needs.SUBSCRIPTIONS, _documents),
    "sys_source": TableSource(
        lambda where: [needs.SOURCES, needs.of_all(keys.SOURCE)],
        lambda scans, schema: batching.of_dicts(topics.sources(*scans), schema),
    ),
    "sys_dead_letter": _of_one_scan(lambda where: needs.of_all(keys.LETTER), topics.letters),
    "sys_lane": TableSource(
        lambda where: [needs.LANES, needs.of_all(keys.PARTITION)],
        lambda scans, schema: batching.of_dicts(topics.lanes(*scans), schema),
    ),
}
