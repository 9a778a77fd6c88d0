"""Raw rows as invocations."""

import time
from collections.abc import Iterator
from typing import Any

import orjson

from orchestrator.codec import keys
from orchestrator.codec.rows import row_decoder
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.sql.invocations import InvocationView
from orchestrator.tables.port import Pair

_live = row_decoder(InvocationRow)
_done = row_decoder(CompletedRow)


def wall_ms() -> int:
    """The time by which what has expired is left out."""
    return time.time_ns() // 1_000_000


def views(attempts: Iterator[Pair], rows: Iterator[Pair]) -> Iterator[InvocationView]:
    """Rows of invocations, live and completed; `attempts` are those that the server runs."""
    running = {key: orjson.loads(value) for key, value in attempts}
    now_ms = wall_ms()
    for raw, value in rows:
        view = view_of(raw, value, running, now_ms)
        if view is not None:
            yield view


def view_of(
    raw: bytes, value: bytes, attempts: dict[bytes, dict[str, Any]], now_ms: int
) -> InvocationView | None:
    """An invocation; None if it has outlived its retention."""
    if raw[:1] == keys.INVOCATION:
        return InvocationView(_live(value), attempts.get(raw[1:]), len(value))
    row = _done(value)
    return InvocationView(row, None, len(value)) if row.expires_at_ms > now_ms else None
