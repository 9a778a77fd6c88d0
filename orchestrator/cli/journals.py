"""Journals of invocations: as the admin API gives them, and their entries as lines for people."""

import json
from collections.abc import Iterator
from typing import Any, Final

from orchestrator.cli.client import Admin, path
from orchestrator.model.utc import utc_text

EntryView = dict[str, Any]
GONE: Final = (404, 410)  # statuses of a journal that is not there any more
_VALUE_CHARS: Final = 80
VALUE_CHARS_SHOWN: Final = 2_000  # of a value by itself; --json shows all


def export_journal(admin: Admin, identity: str) -> dict[str, Any]:
    """The document of docs/python/replay.md; ServerRefused if its journal is gone."""
    found: dict[str, Any] = admin.get(path("perdure", "v1", "invocations", identity, "journal"))
    return found


def kind_of(entry: EntryView) -> tuple[str, bool]:
    """Run, Sleep, …; and whether it is the result of one."""
    kind, _, name = entry["type"].partition(": ")
    return name or kind, kind == "Notification"


def shown_of(entry: EntryView) -> dict[str, Any]:
    """What is in it; empty if it cannot be read."""
    return entry["shown"] if isinstance(entry["shown"], dict) else {}


def short(value: Any, most: int = _VALUE_CHARS) -> str:
    """JSON in one line, cut where it is long."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def callee(shown: dict[str, Any]) -> str:
    """Whom a call names."""
    parts = (shown.get("service_name"), shown.get("key"), shown.get("handler_name"))
    return "/".join(str(part) for part in parts if part)


def attached_to(shown: dict[str, Any]) -> str:
    """What an attach names."""
    target = shown.get("target")
    if not isinstance(target, dict):
        return str(target)
    names = ("workflow_name", "service_name", "workflow_key", "service_key", "handler_name")
    return "/".join(str(target[name]) for name in names if target.get(name))


def what(entry: EntryView) -> str:
    """What an entry says, beside its kind."""
    kind, is_result = kind_of(entry)
    shown = shown_of(entry)
    words = [_result(shown)] if is_result else list(_words(kind, shown))
    name = shown.get("name")
    if name and kind != "Run":
        words.insert(0, f"{name}:")
    return " ".join(word for word in words if word)


def _words(kind: str, shown: dict[str, Any]) -> Iterator[str]:
    match kind:
        case "Run":
            yield shown.get("name", "")
        case "Sleep":
            yield f"until {utc_text(shown.get('wake_up_time', 0))}"
        case "Call" | "OneWayCall":
            yield callee(shown)
            yield short(shown["parameter"]) if "parameter" in shown else ""
        case "AttachInvocation" | "GetInvocationOutput":
            yield attached_to(shown)
        case "SendSignal":
            yield f"{shown.get('signal')} to {shown.get('target_invocation_id')}"
        case "CompleteAwakeable":
            yield shown.get("awakeable_id", "")
            yield _result(shown)
        case _:
            yield str(shown.get("key", ""))
            yield _result(shown)


def _result(shown: dict[str, Any]) -> str:
    if "failure" in shown:
        failure = shown["failure"]
        return f"failed [{failure.get('code')}] {failure.get('message', '')}"
    for name in ("value", "invocation_id", "state_keys", "keys"):
        if name in shown:
            return short(shown[name])
    return ""


def commands_by_completion(entries: list[EntryView]) -> dict[int, EntryView]:
    """Commands by the number under which their result comes."""
    found = {}
    for entry in entries:
        shown = shown_of(entry)
        for name in ("result_completion_id", "invocation_id_notification_idx"):
            if name in shown:
                found[shown[name]] = entry
    return found


def call_ids(entries: list[EntryView]) -> dict[int, str]:
    """Invocation ids of calls, by the number under which they came."""
    return {
        shown["completion_id"]: shown["invocation_id"]
        for shown in map(shown_of, entries)
        if "completion_id" in shown and isinstance(shown.get("invocation_id"), str)
    }


def line(entry: EntryView, commands: dict[int, EntryView]) -> tuple[str, str]:
    """An entry for a table: its kind, and what it says; a result names its command."""
    kind, is_result = kind_of(entry)
    if not is_result:
        return kind, what(entry)
    shown = shown_of(entry)
    of = commands.get(shown.get("completion_id", 0))
    signal = shown.get("signal")
    source = f"of {of['index']}" if of else f"signal {signal}" if signal is not None else ""
    return f"  → {source}" if source else f"  → {kind}", what(entry)
