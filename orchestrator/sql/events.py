"""Life-cycle events of an invocation as columns and JSON."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from orchestrator.model.rows import (
    EVENT_FAILED,
    EVENT_PAUSED_BY_FAILURE,
    Event,
    InvocationRow,
    latest_failure,
)
from orchestrator.model.values import Attempted, Future
from orchestrator.sql import words
from perdure.wire.codes import COMMAND_NAMES


def events_columns(events: Sequence[Event]) -> Iterator[dict[str, Any]]:
    """An invocation's events; a pause shows the failure before it that was its reason."""
    for at, event in enumerate(events):
        failed = event.kind == EVENT_FAILED
        why = event.why if failed else None
        if event.kind == EVENT_PAUSED_BY_FAILURE:
            why = latest_failure(events[:at])
        shown: dict[str, Any] = {"ty": "TransientError" if failed else "Paused"}
        if event.count > 1:
            shown["count"] = event.count
        if why is not None:
            shown |= _why(why) if failed else {"last_failure": _why(why)}
        yield _event(event, shown)


def _event(event: Event, shown: dict[str, Any]) -> dict[str, Any]:
    return {
        "after_journal_entry_index": event.entries - 1,
        "appended_at": event.at_ms,
        "event_type": shown["ty"],
        "event_json": orjson.dumps(shown).decode(),
    }


def suspended_columns(row: InvocationRow, waiting: Future) -> dict[str, Any]:
    """What it waits for now: kept in its row, so shown until it goes on."""
    return {
        "after_journal_entry_index": row.entries - 1,
        "appended_at": row.modified_at_ms,
        "event_type": "Suspended",
        "event_json": orjson.dumps(
            {"ty": "Suspended", "awaiting_on": words.future(waiting)}
        ).decode(),
    }


def _why(why: Attempted) -> dict[str, Any]:
    shown: dict[str, Any] = {"error_code": why.code, "error_message": why.message}
    if why.stacktrace:
        shown["error_stacktrace"] = why.stacktrace
    if why.restate_code:
        shown["restate_doc_error_code"] = why.restate_code
    if why.command_index >= 0:
        shown["related_command_index"] = why.command_index
    if why.command_name:
        shown["related_command_name"] = why.command_name
    if why.command_type in COMMAND_NAMES:
        shown["related_command_type"] = COMMAND_NAMES[why.command_type]
    return shown
