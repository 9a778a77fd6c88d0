"""Tables as record batches: which raw rows each needs, and how they become columns."""

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby, islice
from typing import Any

import msgspec
import orjson
import pyarrow as pa

from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.model.rows import (
    ChunkRow,
    CompletedRow,
    InputRow,
    InvocationRow,
)
from orchestrator.model.values import SUSPENDED
from orchestrator.sql import invocations, keyed, pushdown, words
from orchestrator.sql.entries import entries
from orchestrator.sql.entry_shapes import Callee
from orchestrator.sql.events import events_columns, suspended_columns
from orchestrator.sql.schemas import SCHEMAS
from perdure.wire.errors import WireError
from perdure.wire.ids import invocation_id_to_str, parse_invocation_id
from perdure.wire.outgoing import input_command

BATCH_ROWS = 4_000
Pair = tuple[bytes, bytes]
Fetch = Callable[[str, list[bytes], list[bytes]], Iterator[Pair]]
"""(source, kinds of rows, starts of their keys) -> raw rows, from the server: as the `Engine` port
exports them, partition after partition."""

_live = row_decoder(InvocationRow)
_done = row_decoder(CompletedRow)
_chunk = row_decoder(ChunkRow)
_input = row_decoder(InputRow)


class Sources:
    """Reads tables through `fetch`."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    def batches(
        self, table: str, columns: list[str] | None, where: object
    ) -> Iterator[pa.RecordBatch]:
        """Batches with at least the wanted columns; rows that the filter may refuse are in it."""
        schema = SCHEMAS[table]
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        views = {
            "sys_invocation_status": invocations.STATUS_COLUMNS,
            "sys_invocation": invocations.INVOCATION_COLUMNS,
            "sys_invocation_state": invocations.STATE_COLUMNS,
        }.get(table)
        if views is not None:
            live_only = table == "sys_invocation_state"
            yield from _views(schema, views, self._invocations(where, live_only))
            return
        if table == "sys_journal":
            yield from _dicts(schema, self._sys_journal(where, schema.names))
            return
        maker = getattr(self, "_" + table, None)
        yield from _dicts(schema, maker(where) if maker is not None else ())

    # raw rows

    def _invocations(self, where: object, live_only: bool = False) -> Iterator[invocations.View]:
        attempts = {key: _json(value) for key, value in self._fetch("attempts", [], [])}
        kinds = [keys.INVOCATION] if live_only else [keys.INVOCATION, keys.COMPLETED]
        now_ms = time.time_ns() // 1_000_000
        for raw, value in self._fetch("rows", kinds, _ids_in(where)):
            view = _view(raw, value, attempts, now_ms)
            if view is not None:
                yield view

    def _keyed(self, where: object, *kinds: bytes) -> Iterator[Pair]:
        return self._fetch("rows", list(kinds), _keys_in(where))

    # tables

    def _sys_journal(self, where: object, wanted: list[str]) -> Iterator[dict[str, Any]]:
        callees = self._callees()
        now_ms = time.time_ns() // 1_000_000
        kinds = [keys.INVOCATION, keys.COMPLETED, keys.INPUT, keys.CHUNK]
        for own in _by_id(self._fetch("rows", kinds, _ids_in(where))):
            for view, frames in _journals(own, now_ms):
                whose = {
                    "partition_key": words.partition_key(view.invoke.id),
                    "id": invocation_id_to_str(view.invoke.id),
                }
                for entry in entries(frames, wanted, callees):
                    yield whose | entry

    def _callees(self) -> dict[tuple[str, str], Callee]:
        services = [_json(value) for _, value in self._fetch("services", [], [])]
        return {
            (service["name"], handler): msgspec.convert(callee, Callee)
            for service in services
            for handler, callee in service["handlers"].items()
        }

    def _sys_journal_events(self, where: object) -> Iterator[dict[str, Any]]:
        for view in self._invocations(where):
            whose = {
                "partition_key": words.partition_key(view.invoke.id),
                "id": invocation_id_to_str(view.invoke.id),
            }
            for columns in events_columns(view.row.events):
                yield whose | columns
            live = view.live
            if live is not None and live.status == SUSPENDED and live.waiting is not None:
                yield whose | suspended_columns(live, live.waiting)

    def _sys_inbox(self, where: object) -> Iterator[dict[str, Any]]:
        return keyed.inbox(self._keyed(where, keys.INBOX))

    def _state(self, where: object) -> Iterator[dict[str, Any]]:
        return keyed.state(self._keyed(where, keys.OBJECT, keys.STATE))

    def _sys_promise(self, where: object) -> Iterator[dict[str, Any]]:
        return keyed.promises(self._keyed(where, keys.PROMISE))

    def _sys_keyed_service_status(self, where: object) -> Iterator[dict[str, Any]]:
        return keyed.holders(self._keyed(where, keys.OBJECT))

    def _sys_locks(self, where: object) -> Iterator[dict[str, Any]]:
        return keyed.locks(self._keyed(where, keys.OBJECT))

    def _sys_service(self, where: object) -> Iterator[dict[str, Any]]:
        return (_json(value) for _, value in self._fetch("services", [], []))

    def _sys_deployment(self, where: object) -> Iterator[dict[str, Any]]:
        return (_json(value) for _, value in self._fetch("deployments", [], []))


def _view(
    raw: bytes, value: bytes, attempts: dict[bytes, dict[str, Any]], now_ms: int
) -> invocations.View | None:
    """An invocation; None if it has outlived its retention."""
    if raw[:1] == keys.INVOCATION:
        return invocations.View(_live(value), attempts.get(raw[1:]))
    row = _done(value)
    return invocations.View(row, None) if row.expires_at_ms > now_ms else None


def _by_id(pairs: Iterator[Pair]) -> Iterator[list[Pair]]:
    """Rows that lie together because their keys go on with the same id."""
    for _, own in groupby(pairs, key=lambda pair: pair[0][1:25]):
        yield list(own)


def _journals(
    own: list[Pair], now_ms: int
) -> Iterator[tuple[invocations.View, list[tuple[int, bytes]]]]:
    """An id's invocation, live or completed, with its frames, some of them in other rows."""
    chunks: dict[int, list[tuple[int, bytes]]] = {}
    inputs: dict[int, InputRow] = {}
    for raw, value in own:
        incarnation = int.from_bytes(raw[25:33], "big")  # of rows of these two kinds
        if raw[:1] == keys.INPUT:
            inputs[incarnation] = _input(value)
        elif raw[:1] == keys.CHUNK:
            stored = ((c.at_ms, c.frames) for c in _chunk(value).chunks)
            chunks.setdefault(incarnation, []).extend(stored)
    for raw, value in own:
        if raw[:1] in (keys.INPUT, keys.CHUNK):
            continue
        view = _view(raw, value, {}, now_ms)
        if view is None or _journal_is_gone(view.row, now_ms):
            continue
        row, invoke = view.row, view.invoke
        given = inputs.get(row.incarnation) or InputRow(invoke.body, invoke.headers)
        first = [(invoke.created_at_ms, input_command(given.headers, given.body))]
        tail = [(c.at_ms, c.frames) for c in row.tail]
        yield view, first + chunks.get(row.incarnation, []) + tail


def _journal_is_gone(row: InvocationRow | CompletedRow, now_ms: int) -> bool:
    if isinstance(row, InvocationRow):
        return False
    return not row.entries or row.journal_expires_at_ms <= now_ms


def _json(value: bytes) -> dict[str, Any]:
    loaded: dict[str, Any] = orjson.loads(value)
    return loaded


def _ids_in(where: object) -> list[bytes]:
    """Starts of keys: the ids the filter names, else all."""
    ids = pushdown.pinned(where, "id")
    if ids is None:
        return [b""]
    known = set()
    for text in ids:
        try:
            known.add(parse_invocation_id(text))
        except WireError:
            continue
    return sorted(known)


def _keys_in(where: object) -> list[bytes]:
    """Starts of keys: the services, or services and keys, that the filter names, else all."""
    services = pushdown.pinned(where, "service_name")
    if services is None:
        return [b""]
    names = pushdown.pinned(where, "service_key")
    if names is None:
        return sorted({service.encode() + b"\0" for service in services})
    return sorted({keys.object_key(service, key) for service in services for key in names})


def _views(
    schema: pa.Schema, columns: dict[str, invocations.Column], views: Iterator[invocations.View]
) -> Iterator[pa.RecordBatch]:
    while some := list(islice(views, BATCH_ROWS)):
        arrays = [
            pa.array([columns[f.name](v) for v in some], f.type)
            if f.name in columns
            else pa.nulls(len(some), f.type)
            for f in schema
        ]
        yield _batch(arrays, schema, len(some))


def _dicts(schema: pa.Schema, rows: Iterable[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    rows = iter(rows)
    while some := list(islice(rows, BATCH_ROWS)):
        arrays = [pa.array([row.get(f.name) for row in some], f.type) for f in schema]
        yield _batch(arrays, schema, len(some))


def _batch(arrays: list[pa.Array], schema: pa.Schema, count: int) -> pa.RecordBatch:
    if arrays:
        return pa.RecordBatch.from_arrays(arrays, schema=schema)
    # COUNT(1) wants rows without columns.
    return pa.RecordBatch.from_struct_array(pa.array([{}] * count, pa.struct([])))
