"""Runs queries with DataFusion over rows that are pulled from the server. Read only."""

import io
import logging
import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any, BinaryIO

import datafusion
import pyarrow as pa

from orchestrator.sql import pipe
from orchestrator.sql.datasets import TableDataset
from orchestrator.sql.errors import (
    STATUS_BAD_QUERY,
    STATUS_FAILED,
    STATUS_OK,
    STATUS_TOO_LARGE,
    out_of_memory,
)
from orchestrator.sql.json_functions import JSON_FUNCTIONS, KEYS_MAX, NUMBERED, applied
from orchestrator.sql.json_operators import with_json
from orchestrator.sql.json_rows import json_rows
from orchestrator.sql.plans import Hint, hints_of
from orchestrator.sql.schemas import SCHEMAS
from orchestrator.sql.server_pipe import ServerPipe

PART_BYTES = 64 * 1024
POOL_SHARE = 2  # of the child's memory the half is for what DataFusion counts: sorts, joins, …
BATCH_ROWS = 1_024
_OUT_OF_MEMORY = ("Resources exhausted", "MemoryError", "memory allocation", "malloc of size")
_UNREAD = re.compile(r'SQL error: ParserError\("(.*)"\)', re.DOTALL)
_NO_QUERY = re.compile(r"(?:DDL|DML|Statement) not supported: (\w+)")
_NO_TABLE = re.compile(r"table '(?:restate\.public\.)?([^']*)' not found")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|COPY|TRUNCATE)\b", re.IGNORECASE)
_NO_FUNCTION = re.compile(r"Invalid function '([^']*)'.*Did you mean '([^']*)'", re.DOTALL)
_SURROUNDING = re.compile(
    r"(?:DataFusion error: |Optimizer rule '\w+' failed\s+caused by\s+|Arrow error: )+"
)
_OF_PYTHON = "Python error PyErr"
_OURS = (_OF_PYTHON, "External error", "Internal error")  # not about what was asked
logger = logging.getLogger("perdure.sql")


class Answering:
    """Answers one query at a time."""

    def __init__(self, inward: BinaryIO, outward: BinaryIO, memory_bytes_max: int) -> None:
        self._line = ServerPipe(inward, outward)
        self._memory_bytes_max = memory_bytes_max
        self._hints: dict[str, Hint] = {}
        self._has_json_functions = False
        settings = {
            "datafusion.execution.target_partitions": "1",  # one pipe feeds them all
            "datafusion.execution.batch_size": str(BATCH_ROWS),
            # The generic one takes `cluster` and `end`, columns of ours, for the end of a list.
            "datafusion.sql_parser.dialect": "postgresql",
            "datafusion.catalog.default_catalog": "restate",
        }
        memory = datafusion.RuntimeEnvBuilder().with_disk_manager_disabled()
        self._context = datafusion.SessionContext(
            datafusion.SessionConfig(settings).with_information_schema(True),
            memory.with_fair_spill_pool(memory_bytes_max // POOL_SHARE),
        )
        for name in SCHEMAS:
            self._context.register_dataset(name, TableDataset(name, self._line, self._hints))

    def serve(self) -> None:
        while (ask := self._line.next_question()) is not None:
            self._line.done(self._answer(ask))

    def _answer(self, ask: pipe.Ask) -> pipe.AnswerDone:
        try:
            frame = self._context.sql_with_options(
                self._with_functions(ask.sql),
                datafusion.SQLOptions()
                .with_allow_ddl(False)
                .with_allow_dml(False)
                .with_allow_statements(False),
            )
            schema = frame.schema()
            self._hints.clear()
            self._hints.update(hints_of(frame.optimized_logical_plan()))
            stream = frame.execute_stream()
        except Exception as error:  # noqa: BLE001 the library raises bare exceptions
            if writes := _WRITES.match(ask.sql):  # what else is wrong with it does not matter
                return pipe.AnswerDone(STATUS_BAD_QUERY, _only_reads(writes[1].upper()))
            return self._failed(error)
        try:
            batches = (batch.to_pyarrow() for batch in stream)
            if ask.arrow:
                self._arrow(_plainly_named(schema), batches)
            else:
                self._json(_plainly_named(schema), batches, ask.nulls)
        except Exception as error:  # noqa: BLE001 and so it does while it runs
            return self._failed(error)
        return pipe.AnswerDone(STATUS_OK)

    def _with_functions(self, sql: str) -> str:
        """The query as DataFusion can read it; the functions it may need are there."""
        written = with_json(sql)
        if written != sql and not self._has_json_functions:
            self._has_json_functions = True
            for name, function in JSON_FUNCTIONS.items():
                for keys in range(KEYS_MAX + 1):
                    self._context.register_udf(
                        datafusion.udf(
                            applied(function),
                            [pa.large_string()] * (1 + keys),
                            function.returns,
                            "immutable",
                            f"{name}_{keys}",
                        )
                    )
        return written

    def _failed(self, error: Exception) -> pipe.AnswerDone:
        text = NUMBERED.sub(r"\1", str(error)) or type(error).__name__
        if isinstance(error, MemoryError) or any(sign in text for sign in _OUT_OF_MEMORY):
            return pipe.AnswerDone(STATUS_TOO_LARGE, out_of_memory(self._memory_bytes_max))
        if _OF_PYTHON in text:  # raised by a table, within the library: not what was asked
            logger.error("a query failed: %s", text)
            return pipe.AnswerDone(STATUS_FAILED, f"the query failed: {_value_in(text)}")
        if any(sign in text for sign in _OURS):
            logger.error("a query failed: %s", text)
            return pipe.AnswerDone(STATUS_FAILED, text)
        return pipe.AnswerDone(STATUS_BAD_QUERY, told(text))

    def _arrow(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> None:
        with Outward(self._line.send) as sink:
            try:
                with pa.ipc.new_stream(sink, schema) as writer:
                    for batch in batches:
                        writer.write_batch(batch.rename_columns(schema.names))
            except BaseException:
                sink.drop()  # an answer of which nothing was sent can still say why there is none
                raise

    def _json(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch], nulls: bool) -> None:
        out = bytearray(b'{"rows":[')
        first = True
        for batch in batches:
            for row in json_rows(batch.rename_columns(schema.names), nulls):
                if not first:
                    out += b","
                first = False
                for start in range(0, len(row), PART_BYTES):
                    out += row[start : start + PART_BYTES]
                    if len(out) > PART_BYTES:
                        self._line.send(bytes(out))
                        out.clear()
        self._line.send(bytes(out) + b"]}")


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

    def drop(self) -> None:
        self._kept.clear()

    def flush(self) -> None:
        if self._kept:
            self._send(bytes(self._kept))
            self._kept.clear()


def _plainly_named(schema: pa.Schema) -> pa.Schema:
    """Its columns, where one is called by an expression, as the query wrote that."""
    return pa.schema(
        [field.with_name(NUMBERED.sub(r"\1", field.name)) for field in schema],
        metadata=schema.metadata,
    )


def told(text: str) -> str:
    """What the library says of a query that it cannot run, for who wrote it."""
    if unread := _UNREAD.fullmatch(text):
        return f"this is no SQL that can be read: {unread[1]}"
    if refused := _NO_QUERY.search(text):
        return _only_reads(refused[1])
    if unknown := _NO_TABLE.search(text):
        name = unknown[1]
        near = get_close_matches(name, SCHEMAS, 1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(SCHEMAS)}"
        return f"there is no table {name}: {hint}"
    if unknown := _NO_FUNCTION.search(text):
        near = get_close_matches(unknown[1], [unknown[2]], 1)  # the library names the nearest
        return f"there is no function {unknown[1]}{f': did you mean {near[0]}?' if near else ''}"
    return _SURROUNDING.sub("", text)


def _only_reads(what: str) -> str:
    return f"queries only read, with SELECT: {what} is not supported"


def _value_in(text: str) -> str:
    """The exception in what the library says of one, without its traceback."""
    return text.partition(", value: ")[2].partition(", traceback: ")[0] or text
