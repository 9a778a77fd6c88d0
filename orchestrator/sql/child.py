"""The SQL child: runs queries with DataFusion over rows it asks the server for.

A process of its own: converting rows holds the interpreter, and the libraries cost 75 MB.
"""

import io
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import datafusion
import pyarrow as pa
import pyarrow.dataset as pads

from orchestrator.sql import pipe
from orchestrator.sql.json_rows import json_rows
from orchestrator.sql.schemas import SCHEMAS
from orchestrator.sql.sources import Sources

STATUS_OK = 200
STATUS_BAD_QUERY = 400
STATUS_FAILED = 500
PART_BYTES = 64 * 1024


class Table(pads.Dataset):  # type: ignore[misc]
    """A table for DataFusion: projections and filters reach the source.

    DataFusion plans with `scanner`, of which it takes the schema only, and then reads the one
    fragment with a scanner of its own.
    """

    def __init__(self, name: str, sources: Sources) -> None:
        self._name = name
        self._sources = sources

    @property
    def schema(self) -> pa.Schema:
        return SCHEMAS[self._name]

    def scanner(self, columns: Any = None, filter: Any = None, **options: Any) -> Any:  # noqa: A002
        return pads.dataset(self.schema.empty_table()).scanner(columns=columns)

    def get_fragments(self, filter: Any = None) -> Any:  # noqa: A002
        return iter([Fragment(self._name, self._sources)])


class Fragment:
    """All rows of a table; read when it is scanned."""

    def __init__(self, name: str, sources: Sources) -> None:
        self._name = name
        self._sources = sources

    def scanner(
        self,
        schema: Any = None,
        columns: Any = None,
        filter: Any = None,  # noqa: A002
        **options: Any,
    ) -> Any:
        wanted = _needed(SCHEMAS[self._name].names, columns, filter)
        batches = list(self._sources.batches(self._name, wanted, filter))
        whole = pa.Table.from_batches(batches) if batches else SCHEMAS[self._name].empty_table()
        return pads.dataset(whole).scanner(columns=columns, filter=filter)


def _needed(names: list[str], columns: list[str] | None, where: Any) -> list[str] | None:
    """The columns that are read: a filter may name some that are not in the projection."""
    if columns is None or where is None:
        return columns
    text = str(where)
    if "..." in text:  # cut short: it may name any
        return None
    return [name for name in names if name in columns or name in text]


class Outward(io.BufferedIOBase):
    """A file whose content is sent in parts of a bounded size."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._kept = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        given = memoryview(content)
        for start in range(0, len(given), PART_BYTES):
            self._kept += given[start : start + PART_BYTES]
            if len(self._kept) >= PART_BYTES:
                self.flush()
        return len(given)

    def flush(self) -> None:
        if self._kept:
            self._send(bytes(self._kept))
            self._kept.clear()


class Child:
    """Answers one query at a time over a pair of pipes."""

    def __init__(self, inward: BinaryIO, outward: BinaryIO) -> None:
        self._inward = inward
        self._outward = outward
        # One thread: the rows come over one pipe.
        config = datafusion.SessionConfig({"datafusion.execution.target_partitions": "1"})
        self._context = datafusion.SessionContext(config.with_information_schema(True))
        sources = Sources(self._fetch)
        for name in SCHEMAS:
            self._context.register_dataset(name, Table(name, sources))

    def serve(self) -> None:
        while isinstance(ask := pipe.read(self._inward), pipe.Ask):
            pipe.write(self._outward, self._answer(ask))

    def _answer(self, ask: pipe.Ask) -> pipe.Done:
        try:
            frame = self._context.sql_with_options(
                ask.sql,
                datafusion.SQLOptions()
                .with_allow_ddl(False)
                .with_allow_dml(False)
                .with_allow_statements(False),
            )
            schema = frame.schema()
            stream = frame.execute_stream()
        except Exception as error:  # noqa: BLE001 the library raises bare exceptions
            return pipe.Done(STATUS_BAD_QUERY, _text(error))
        try:
            batches = (batch.to_pyarrow() for batch in stream)
            (self._arrow if ask.arrow else self._json)(schema, batches)
        except Exception as error:  # noqa: BLE001 and so it does while it runs
            return pipe.Done(STATUS_FAILED, _text(error))
        return pipe.Done(STATUS_OK)

    def _arrow(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        with Outward(self._send) as sink, pa.ipc.new_stream(sink, schema) as writer:
            for batch in batches:
                writer.write_batch(batch)

    def _json(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        out = bytearray(b'{"rows":[')
        first = True
        for batch in batches:
            for row in json_rows(batch):
                if not first:
                    out += b","
                first = False
                out += row
                if len(out) > PART_BYTES:
                    self._send(bytes(out))
                    out.clear()
        self._send(bytes(out) + b"]}")

    def _send(self, body: bytes) -> None:
        pipe.write(self._outward, pipe.Part(body))

    def _fetch(
        self, source: str, kinds: list[bytes], starts: list[bytes]
    ) -> Iterator[tuple[bytes, bytes]]:
        pipe.write(self._outward, pipe.Need(source, kinds, starts))
        # All of it is taken before the next question: the pipe carries one source at a time.
        taken: list[tuple[bytes, bytes]] = []
        while True:
            rows = pipe.read(self._inward)
            if not isinstance(rows, pipe.Rows):
                raise EOFError("the server went away")
            taken += rows.rows
            if rows.last:
                return iter(taken)


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__


def main() -> None:
    """Serve until the server closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which ends this
    Child(sys.stdin.buffer, sys.stdout.buffer).serve()


if __name__ == "__main__":
    main()
