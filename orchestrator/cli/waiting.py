"""What a suspended invocation waits for, in words."""

import json
from collections.abc import Iterator
from typing import Any, Final

from orchestrator.cli.journals import (
    EntryView,
    attached_to,
    call_ids,
    callee,
    commands_by_completion,
    kind_of,
    shown_of,
)
from orchestrator.cli.times import ago
from orchestrator.model.utc import utc_text
from perdure.wire.codes import CANCEL_SIGNAL, USER_SIGNAL_MIN
from perdure.wire.ids import awakeable_id_to_str, parse_invocation_id

_JOINED: Final = {
    "FirstCompleted": "the first of ",
    "FirstSucceededOrAllFailed": "the first success of ",
}


def waits_for(identity: str, future_json: str | None, entries: list[EntryView]) -> str:
    """`promise approved`, `the first of timer (in 3 m), promise approved`; "" if nothing is known.

    `entries` is the journal, empty if it is gone.
    """
    if not future_json:
        return ""
    words = _Words(identity, entries)
    return words.future(json.loads(future_json))


class _Words:
    def __init__(self, identity: str, entries: list[EntryView]) -> None:
        self._identity = identity
        self._commands = commands_by_completion(entries)
        self._called = call_ids(entries)

    def future(self, found: dict[str, Any]) -> str:
        ((how, inner),) = found.items()
        if how == "Single":
            return self._single(inner)
        parts = list(dict.fromkeys(self._parts(inner)))
        if len(parts) < 2:
            return "".join(parts)
        return _JOINED.get(how, "") + ", ".join(parts)

    def _parts(self, inner: list[dict[str, Any]]) -> Iterator[str]:
        for one in inner:
            if "Single" in one and one["Single"] == {"SignalIndex": CANCEL_SIGNAL}:
                continue  # every handler can be cancelled
            if text := self.future(one):
                yield text

    def _single(self, handle: dict[str, Any]) -> str:
        ((kind, value),) = handle.items()
        if kind == "SignalName":
            return f"signal {value}"
        if kind == "SignalIndex":
            return self._signal(value)
        entry = self._commands.get(value)
        return _command(entry, self._called) if entry else f"result {value}"

    def _signal(self, index: int) -> str:
        if index < USER_SIGNAL_MIN:
            return "its cancellation" if index == CANCEL_SIGNAL else f"signal {index}"
        raw = parse_invocation_id(self._identity)
        return f"awakeable {awakeable_id_to_str(raw, index)}"


def _command(entry: EntryView, called: dict[int, str]) -> str:
    kind, _ = kind_of(entry)
    shown = shown_of(entry)
    match kind:
        case "Sleep":
            return f"its timer ({ago(utc_text(shown.get('wake_up_time', 0)))})"
        case "Call":
            number = shown.get("invocation_id_notification_idx", 0)
            return " ".join((callee(shown), called.get(number, ""))).strip()
        case "OneWayCall":
            return f"the id of {callee(shown)}"
        case "GetPromise":
            return f"promise {shown.get('key')}"
        case "AttachInvocation":
            return f"the result of {attached_to(shown)}"
        case "Run":
            return f"step {shown.get('name', '')}".strip()
        case _:
            return f"{kind} {shown.get('key', '')}".strip()
