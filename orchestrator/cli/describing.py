"""`perdure invocations describe`: what one invocation does or waits for, and how it came to it."""

import json
from typing import Any, Final

from orchestrator.cli.client import Admin, text_literal
from orchestrator.cli.commands import Asked
from orchestrator.cli.exits import EXIT_FAILED, CliError, ServerRefused
from orchestrator.cli.journals import (
    GONE,
    VALUE_CHARS_SHOWN,
    EntryView,
    commands_by_completion,
    export_journal,
    kind_of,
    line,
    shown_of,
)
from orchestrator.cli.output import (
    Coloured,
    cell,
    print_fields,
    print_heading,
    print_json,
    print_table,
    shown_lines,
)
from orchestrator.cli.times import ago, since
from orchestrator.cli.waiting import waits_for
from perdure.wire.codes import CANCEL_SIGNAL
from perdure.wire.errors import BadId
from perdure.wire.ids import parse_invocation_id

_Row = dict[str, Any]
_TRACE_LINES: Final = 15
_ENTRIES_SHOWN: Final = 200


def describe_invocation(asked: Asked, identity: str) -> int:
    """CliError if there is no such invocation."""
    _check_id(identity)
    admin, named = asked.admin, text_literal(identity)
    rows = admin.query(f"SELECT * FROM sys_invocation WHERE id = {named}")
    if not rows:
        raise CliError(
            f"there is no invocation {identity}: it was purged, its retention is over, or it is of"
            " another server (perdure whoami says which one is asked)"
        )
    row = rows[0]
    events = admin.query(
        "SELECT after_journal_entry_index, appended_at, event_type, event_json"
        f" FROM sys_journal_events WHERE id = {named} ORDER BY appended_at"
    )
    entries = _entries(admin, identity)
    blocked = _blocked_by(admin, row)
    if asked.json:
        shown = {
            "waits_for": _waiting(row, entries, blocked) or None,
            "advice": _advice(row, entries),
            "events": [
                one | {"event": json.loads(one.get("event_json") or "{}")} for one in events
            ],
            "journal": entries,
        }
        print_json(row | shown)
        return 0
    _print_state(row, entries, blocked)
    _print_fields(row)
    _print_attempts(row, events)
    _print_values(row, entries)
    _print_journal(entries)
    return 0


def _check_id(identity: str) -> None:
    try:
        parse_invocation_id(identity)
    except BadId:
        raise CliError(
            f"{identity!r} is no id of an invocation (inv_1…): perdure invocations list --all"
            " has them",
            EXIT_FAILED,
        ) from None


def _entries(admin: Admin, identity: str) -> list[EntryView]:
    """Without the bytes of each, which are in the export."""
    try:
        found = export_journal(admin, identity)["entries"]
    except ServerRefused as error:
        if error.status not in GONE:
            raise
        return []
    return [{name: value for name, value in one.items() if name != "payload"} for one in found]


def _blocked_by(admin: Admin, row: _Row) -> str:
    """The invocation that holds the key for which this one waits, "" if it waits for none."""
    if row.get("status") != "pending":
        return ""
    found = admin.query(
        "SELECT invocation_id FROM sys_keyed_service_status WHERE"
        f" service_name = {text_literal(row['target_service_name'])}"
        f" AND service_key = {text_literal(row.get('target_service_key') or '')}"
    )
    return str(found[0].get("invocation_id") or "") if found else ""


# --- the first lines: what it does, and what to do


def _print_state(row: _Row, entries: list[EntryView], blocked: str) -> None:
    status = str(row.get("status"))
    result = row.get("completion_result")
    print_heading(f"{row.get('target')}  {status}{f' ({result})' if result else ''}")
    if waiting := _waiting(row, entries, blocked):
        print(cell(waiting))
    if advice := _advice(row, entries):
        print(advice)
    print()


def _waiting(row: _Row, entries: list[EntryView], blocked: str) -> str:
    """What happens next, or what has to."""
    modified = row.get("modified_at")
    match row.get("status"):
        case "suspended":
            for_what = waits_for(row["id"], row.get("suspended_waiting_future_json"), entries)
            return f"waits for {for_what or 'a result'}{since(modified)}"
        case "pending":
            holder = f", which {blocked} holds" if blocked else ""
            waited = since(row.get("inboxed_at") or row.get("created_at"))
            return f"waits{waited} for its key {row.get('target_service_key')}{holder}"
        case "scheduled":
            return f"starts {ago(row.get('scheduled_start_at'))}"
        case "backing-off":
            count = row.get("retry_count") or 0
            times = f"failed {count} times" if count > 1 else "failed"
            return f"{times}, is tried again {ago(row.get('next_retry_at'))}"
        case "paused":
            return f"paused{since(modified)}"
        case "ready":
            return f"waits for its attempt to start{since(modified)}"
        case "running":
            at = row.get("last_attempt_deployment_id") or row.get("pinned_deployment_id")
            start = row.get("last_start_at") or row.get("running_at")
            for_what = waits_for(row["id"], row.get("last_awaiting_on_future_json"), entries)
            waits = f", and waits for {for_what}" if for_what else ""
            return f"runs{f' on {at}' if at else ''}{since(start)}{waits}"
    return ""


def _advice(row: _Row, entries: list[EntryView]) -> str | None:
    """What a person can do about it."""
    identity, status = row["id"], row.get("status")
    code = row.get("last_failure_error_code")
    explained = f" (perdure explain {code})" if code else ""
    if status in ("paused", "backing-off") and any(map(_is_cancel, entries)):
        onward = "" if status == "backing-off" else f" and resume it (… resume {identity})"
        return (
            f"it was cancelled, and fails before its handler sees that: mend what fails{explained}"
            f"{onward}, or end it with nothing undone: perdure invocations kill {identity}"
        )
    if status == "paused":
        return (
            f"mend what failed{explained}, then: perdure invocations resume {identity}"
            " [--deployment latest]"
        )
    if status == "backing-off":
        return (
            f"mend what fails{explained}; it goes on by itself, or at once with:"
            f" perdure invocations resume {identity}"
        )
    if status == "completed" and row.get("completion_result") == "failure":
        return f"to run it again: perdure invocations restart-as-new {identity}"
    return None


def _is_cancel(entry: EntryView) -> bool:
    """Whether it tells the handler that its invocation is cancelled."""
    return kind_of(entry)[1] and shown_of(entry).get("signal") == CANCEL_SIGNAL


# --- the rest


def _print_fields(row: _Row) -> None:
    by = row.get("invoked_by_target") or row.get("invoked_by_subscription_id")
    caller = " ".join(str(one) for one in (by, row.get("invoked_by_id")) if one)
    print_fields(
        {
            "id": row["id"],
            "called by": caller or row.get("invoked_by"),
            "idempotency key": row.get("idempotency_key"),
            "restarted from": row.get("restarted_from"),
            "created": _at(row.get("created_at")),
            "started": _at(row.get("running_at")),
            "completed": _at(row.get("completed_at")),
            "deployment": row.get("pinned_deployment_id"),
            "protocol": row.get("pinned_service_protocol_version"),
            "sdk": row.get("last_attempt_server"),
            "trace": row.get("trace_id"),
        }
    )


def _at(text: str | None) -> str | None:
    return f"{text} ({ago(text)})" if text else None


def _print_attempts(row: _Row, events: list[_Row]) -> None:
    failures = [(one, json.loads(one.get("event_json") or "{}")) for one in events]
    failures = [pair for pair in failures if "error_message" in pair[1]]
    if not failures and not row.get("last_failure"):
        return
    print()
    print_heading("failed attempts")
    for event, said in failures:
        count = said.get("count") or 1
        often = f" {count} times" if count > 1 else ""
        code = said.get("restate_doc_error_code") or said.get("error_code")
        print(f"{_at(event.get('appended_at'))}{often}  [{code}] {cell(_failure_text(said))}")
        for text in shown_lines(str(said.get("error_stacktrace") or "").strip())[-_TRACE_LINES:]:
            print(f"    {text}")
    if not failures:
        print("\n".join(shown_lines(row["last_failure"])))


def _failure_text(said: _Row) -> str:
    """The message of a failure and the command it belongs to, in one line."""
    message = " ".join(str(said.get("error_message", "")).split())
    name = said.get("related_command_name") or said.get("related_command_type")
    index = said.get("related_command_index")
    return message + (f" (at {name}, command {index})" if name is not None else "")


def _print_values(row: _Row, entries: list[EntryView]) -> None:
    given = {kind_of(one): shown_of(one) for one in entries}
    for kind, title in (("Input", "input"), ("Output", "output")):
        shown = given.get((kind, False))
        if shown and "value" in shown:
            text = json.dumps(shown["value"], ensure_ascii=False, indent=2)
            _print_value(title, text)
    if row.get("completion_failure"):
        _print_value("failure", str(row["completion_failure"]))


def _print_value(title: str, text: str) -> None:
    print()
    print_heading(title)
    rest = len(text) - VALUE_CHARS_SHOWN
    print(
        "\n".join(shown_lines(text[:VALUE_CHARS_SHOWN]))
        + (f"… and {rest:,} more characters (--json)" if rest > 0 else "")
    )


def _print_journal(entries: list[EntryView]) -> None:
    print()
    print_heading("journal")
    commands = commands_by_completion(entries)
    first = max(0, len(entries) - _ENTRIES_SHOWN)
    rows = []
    for entry in entries[first:]:
        kind, says = line(entry, commands)
        how = "bad" if "failed [" in says else "quiet" if kind.startswith("  →") else ""
        rows.append((entry["index"], Coloured(kind, how), says, ago(entry["appended_at"])))
    if first:
        print(f"the last {len(rows)} of {len(entries)} entries (--json has all)")
    print_table(("INDEX", "ENTRY", "WHAT", "WHEN"), rows, "its journal is gone, or not begun")
