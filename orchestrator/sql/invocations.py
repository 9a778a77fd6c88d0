"""Columns of the invocation tables, each computed only when a query asks for it."""

from collections.abc import Callable
from typing import Any

import orjson

from orchestrator.model.invoke import Invoke
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.model.values import (
    COMPLETED,
    INBOXED,
    INVOKED,
    RESTATE_VERSION,
    SCHEDULED,
    STATUS_NAMES,
    SUSPENDED,
    Attempted,
    Failure,
)
from orchestrator.sql import words
from perdure.wire.codes import COMMAND_NAMES


class InvocationView:
    """One invocation: its row, and its attempt if the server runs one."""

    __slots__ = ("attempt", "invoke", "live", "raw_bytes", "row")

    def __init__(
        self, row: InvocationRow | CompletedRow, attempt: dict[str, Any] | None, raw_bytes: int
    ) -> None:
        self.row = row
        self.raw_bytes = raw_bytes
        self.live = row if isinstance(row, InvocationRow) else None
        self.invoke: Invoke = row.invoke
        self.attempt = attempt

    @property
    def failure(self) -> Attempted | None:
        return self.row.last_failure


Column = Callable[[InvocationView], Any]


def _or_none(value: Any) -> Any:
    return value or None


def _done(view: InvocationView) -> CompletedRow | None:
    return view.row if isinstance(view.row, CompletedRow) else None


def _status(view: InvocationView) -> str:
    return STATUS_NAMES[COMPLETED if view.live is None else view.live.status]


def _shown_status(view: InvocationView) -> str:
    """The status as people see it: what an invoked one is doing."""
    live = view.live
    if live is None or live.status != INVOKED:
        return {"inboxed": "pending"}.get(_status(view), _status(view))
    if view.attempt is not None and view.attempt["in_flight"]:
        return "running"
    return "backing-off" if live.retry_at_ms else "ready"


def _has_begun(view: InvocationView) -> bool:
    """As there: before an invocation begins it has no journal."""
    return view.live is None or view.live.status not in (SCHEDULED, INBOXED)


def _completion_result(view: InvocationView) -> str | None:
    done = _done(view)
    if done is None:
        return None
    return "failure" if isinstance(done.outcome, Failure) else "success"


def _completion_failure(view: InvocationView) -> str | None:
    done = _done(view)
    failed = done is not None and isinstance(done.outcome, Failure)
    return words.failure_text(done.outcome) if failed else None  # type: ignore[union-attr, arg-type]


def _modified(view: InvocationView) -> int:
    return view.live.modified_at_ms if view.live else _done(view).completed_at_ms  # type: ignore[union-attr]


def _waiting(view: InvocationView) -> Any:
    live = view.live
    return live.waiting if live is not None and live.status == SUSPENDED else None


def _waiting_completions(view: InvocationView) -> list[int] | None:
    waiting = _waiting(view)
    return None if waiting is None else list(waiting.completions)


def _waiting_signals(view: InvocationView) -> list[int] | None:
    waiting = _waiting(view)
    return None if waiting is None else list(waiting.signals)


def _waiting_json(view: InvocationView) -> str | None:
    waiting = _waiting(view)
    return None if waiting is None else orjson.dumps(words.future(waiting)).decode()


def _by_service(view: InvocationView) -> str | None:
    return view.invoke.by_target.partition("/")[0] or None


def _trace_id(view: InvocationView) -> str | None:
    parts = view.invoke.trace[0].split("-")
    return parts[1] if len(parts) == 4 else None


STATUS_COLUMNS: dict[str, Column] = {
    "partition_key": lambda v: words.partition_key(v.invoke.id),
    "id": lambda v: words.id_or_none(v.invoke.id),
    "status": _status,
    "completion_result": _completion_result,
    "completion_failure": _completion_failure,
    "target": lambda v: words.target(v.invoke),
    "target_service_name": lambda v: v.invoke.service,
    "target_service_key": lambda v: v.invoke.key if v.invoke.kind else None,
    "target_handler_name": lambda v: v.invoke.handler,
    "target_service_ty": lambda v: words.SERVICE_TY[v.invoke.kind],
    "idempotency_key": lambda v: v.invoke.idempotency_key,
    "invoked_by": lambda v: words.INVOKED_BY[v.invoke.by],
    "invoked_by_id": lambda v: words.id_or_none(v.invoke.by_id),
    "invoked_by_service_name": _by_service,
    "invoked_by_target": lambda v: _or_none(v.invoke.by_target),
    "restarted_from": lambda v: words.id_or_none(v.invoke.restarted_from),
    "pinned_deployment_id": lambda v: _or_none(v.row.deployment),
    "pinned_service_protocol_version": lambda v: _or_none(v.row.protocol),
    "trace_id": _trace_id,
    "journal_size": lambda v: v.row.entries if _has_begun(v) else None,
    "journal_commands_size": lambda v: v.row.commands if _has_begun(v) else None,
    "created_at": lambda v: v.invoke.created_at_ms,
    "created_using_restate_version": lambda v: RESTATE_VERSION,
    "modified_at": _modified,
    "inboxed_at": lambda v: _or_none(v.row.inboxed_at_ms),
    "scheduled_at": lambda v: _or_none(v.row.scheduled_at_ms),
    "scheduled_start_at": lambda v: _or_none(v.invoke.start_at_ms),
    "running_at": lambda v: _or_none(v.row.running_at_ms),
    "completed_at": lambda v: None if v.live else v.row.completed_at_ms,  # type: ignore[union-attr]
    "completion_retention": lambda v: v.invoke.completion_retention_ms,
    "journal_retention": lambda v: v.invoke.journal_retention_ms,
    "suspended_waiting_for_completions": _waiting_completions,
    "suspended_waiting_for_signals": _waiting_signals,
    "suspended_waiting_future_json": _waiting_json,
}


WAITING_COLUMNS = (
    "suspended_waiting_for_completions",
    "suspended_waiting_for_signals",
    "suspended_waiting_future_json",
)
"""Of those of live ones only."""


def _of_attempt(name: str) -> Column:
    """Of the attempt that runs; while it retries, and when it is over, of the last that failed."""

    def column(view: InvocationView) -> Any:
        if view.attempt is not None and view.attempt[name]:
            return view.attempt[name]
        retries = view.row.retries
        if retries is None or (view.live is not None and not retries.in_row):
            return None
        return _or_none(getattr(retries, name))

    return column


def _retry_count(view: InvocationView) -> int | None:
    """While it is live, attempts in a row: those that failed, and one that runs; then how many
    failed. None if there are none."""
    retries = view.row.retries
    if view.live is None:
        return None if retries is None else retries.failed_count
    count = 0 if retries is None else retries.in_row
    if view.attempt is not None and view.attempt["in_flight"]:
        count += 1
    return count or None


def _of_failure(pick: Callable[[Attempted], Any]) -> Column:
    return lambda v: pick(v.failure) if v.failure is not None else None


ATTEMPT_COLUMNS: dict[str, Column] = {
    "retry_count": _retry_count,
    "last_start_at": _of_attempt("started_at_ms"),
    "last_attempt_deployment_id": _of_attempt("deployment"),
    "last_attempt_server": _of_attempt("server"),
    "next_retry_at": lambda v: _or_none(v.live.retry_at_ms) if v.live else None,
    "last_failure": _of_failure(words.attempt_failure),
    "last_failure_error_code": _of_failure(lambda f: _or_none(f.restate_code)),
    "last_failure_related_command_index": _of_failure(
        lambda f: f.command_index if f.command_index >= 0 else None
    ),
    "last_failure_related_command_name": _of_failure(lambda f: _or_none(f.command_name)),
    "last_failure_related_command_type": _of_failure(lambda f: COMMAND_NAMES.get(f.command_type)),
}
INVOCATION_COLUMNS = STATUS_COLUMNS | ATTEMPT_COLUMNS | {"status": _shown_status}
STATE_COLUMNS: dict[str, Column] = ATTEMPT_COLUMNS | {
    "partition_key": STATUS_COLUMNS["partition_key"],
    "id": STATUS_COLUMNS["id"],
    "in_flight": lambda v: v.attempt is not None and v.attempt["in_flight"],
}
