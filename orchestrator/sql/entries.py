"""Journal entries as the columns and the JSON that people and the command line read."""

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from orchestrator.sql import words
from perdure.wire import codes, messages
from perdure.wire.errors import WireError
from perdure.wire.frames import split

HEADER_BYTES = 8


def entries(frames: list[tuple[int, bytes]]) -> Iterator[dict[str, Any]]:
    """(appended at, frames end to end), the input first: one dict of columns an entry."""
    index = 0
    for at_ms, chunk in frames:
        for code, _, start, end in split(chunk):
            yield _entry(index, code, chunk[start + HEADER_BYTES : end], at_ms)
            index += 1


def _entry(index: int, code: int, payload: bytes, at_ms: int) -> dict[str, Any]:
    kind = codes.COMMAND_NAMES.get(code)
    family = "Command"
    if kind is None:
        kind, family = codes.NOTIFICATION_NAMES.get(code, f"0x{code:04x}"), "Notification"
    shown = _decoded(code, payload)
    whole = orjson.dumps({family: {kind: shown}}).decode()
    return {
        "index": index,
        "entry_type": f"{family}: {kind}",
        "name": shown.get("name") or None,
        "raw": payload,
        "raw_length": len(payload),
        "version": 2,
        "entry_json": whole,
        "entry_lite_json": orjson.dumps({family: {kind: _lite(shown)}}).decode(),
        "appended_at": at_ms,
    }


def _decoded(code: int, payload: bytes) -> dict[str, Any]:
    try:
        message = messages.decode(code, payload)
    except WireError:
        return {}
    fields: dict[str, Any] = {}
    for field in message.__slots__:
        if not field.endswith("_span"):
            fields[field] = _plain(getattr(message, field))
    rename = _RENAMED.get(code)
    return fields if rename is None else rename(fields)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return words.text(value)
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if hasattr(value, "__slots__"):
        return {name: _plain(getattr(value, name)) for name in value.__slots__}
    return value


def _call(shown: dict[str, Any]) -> dict[str, Any]:
    """Calls show their target as the real server does."""
    request = {
        "invocation_target": _target(shown),
        "parameter": shown.pop("parameter", ""),
        "headers": shown.pop("headers", []),
        "idempotency_key": shown.pop("idempotency_key", None),
    }
    return {
        "request": request,
        "invocation_id_completion_id": shown.get("invocation_id_notification_idx", 0),
        "result_completion_id": shown.get("result_completion_id", 0),
        "invoke_time": shown.get("invoke_time", 0),
        "name": shown.get("name", ""),
    }


def _target(shown: dict[str, Any]) -> str:
    parts = (shown.get("service_name"), shown.get("key"), shown.get("handler_name"))
    return "/".join(part for part in parts if part)


_RENAMED: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    codes.CALL: _call,
    codes.ONE_WAY_CALL: _call,
}
_HEAVY = ("value", "parameter", "headers", "failure", "state_keys")


def _lite(shown: dict[str, Any]) -> dict[str, Any]:
    """The same without what may be large."""
    light = {name: value for name, value in shown.items() if name not in _HEAVY}
    if isinstance(light.get("request"), dict):
        light["request"] = _lite(light["request"])
    return light
