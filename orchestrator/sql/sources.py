"""Every table: the raw rows it is read from, and how they become columns."""

from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any, NamedTuple, Protocol

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
from orchestrator.sql.asked import Narrowed, Need, RowIterator, Scanned
from orchestrator.sql.entries import entries
from orchestrator.sql.entry_shapes import Callee
from orchestrator.sql.events import events_columns, suspended_columns
from orchestrator.sql.invocation_table import InvocationTable
from orchestrator.sql.views import view_of, views, wall_ms
from orchestrator.tables.port import Pair
from perdure.wire.ids import invocation_id_to_str

Dicts = Iterator[dict[str, Any]]

_chunk = row_decoder(ChunkRow)
_input = row_decoder(InputRow)


class TableSource(Protocol):
    """A table. `needs` gives its scans by filter; `batches` makes the rows of them, in that order,
    into batches of the schema asked for; rows that the filter refuses may be among them."""

    def needs(self, narrowed: Narrowed) -> list[Need]: ...

    def batches(self, scans: list[RowIterator], asked: Scanned) -> Iterator[pa.RecordBatch]: ...


class PlainTable(NamedTuple):
    """A `TableSource` of two functions."""

    of: Callable[[Narrowed], list[Need]]
    rows: Callable[[list[RowIterator], pa.Schema], Iterator[pa.RecordBatch]]

    def needs(self, narrowed: Narrowed) -> list[Need]:
        return self.of(narrowed)

    def batches(self, scans: list[RowIterator], asked: Scanned) -> Iterator[pa.RecordBatch]:
        return self.rows(scans, asked.schema)


def source_of(table: str) -> TableSource:
    """The source of a table by its name; of a feature that is off, one without rows."""
    return SOURCES.get(table, _NOTHING)


def _whose(view: invocations.InvocationView) -> dict[str, Any]:
    return {
        "partition_key": words.partition_key(view.invoke.id),
        "id": invocation_id_to_str(view.invoke.id),
    }


def _events(rows: RowIterator) -> Dicts:
    for view in views(iter(()), rows):
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
    now_ms = wall_ms()
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
        view = view_of(raw, value, {}, now_ms)
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
    scan: Callable[[Narrowed], Need], rows: Callable[[RowIterator], Dicts]
) -> TableSource:
    return PlainTable(
        lambda where: [scan(where)],
        lambda scans, schema: batching.of_dicts(rows(scans[0]), schema),
    )


def _keyed(rows: Callable[[RowIterator], Dicts], *kinds: bytes) -> TableSource:
    return _of_one_scan(lambda where: needs.of_keys(where, *kinds), rows)


_NOTHING = PlainTable(lambda where: [], lambda scans, schema: iter(()))

SOURCES: dict[str, TableSource] = {
    "sys_invocation": InvocationTable(invocations.INVOCATION_COLUMNS),
    "sys_invocation_status": InvocationTable(invocations.STATUS_COLUMNS),
    "sys_invocation_state": InvocationTable(invocations.STATE_COLUMNS, live_only=True),
    "sys_journal": PlainTable(
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
    "sys_promise": _keyed(keyed.promises, keys.OBJECT, keys.PROMISE),
    "sys_keyed_service_status": _keyed(keyed.holders, keys.OBJECT),
    "sys_locks": _keyed(keyed.locks, keys.OBJECT),
    "sys_service": _of_one_scan(lambda where: needs.SERVICES, _documents),
    "sys_deployment": _of_one_scan(lambda where: needs.DEPLOYMENTS, _documents),
    "sys_subscription": _of_one_scan(lambda where: needs.SUBSCRIPTIONS, _documents),
    "sys_source": PlainTable(
        lambda where: [needs.SOURCES, needs.of_all(keys.SOURCE)],
        lambda scans, schema: batching.of_dicts(topics.sources(*scans), schema),
    ),
    "sys_dead_letter": _of_one_scan(lambda where: needs.of_all(keys.LETTER), topics.letters),
    "sys_lane": PlainTable(
        lambda where: [needs.LANES, needs.of_all(keys.PARTITION)],
        lambda scans, schema: batching.of_dicts(topics.lanes(*scans), schema),
    ),
}
