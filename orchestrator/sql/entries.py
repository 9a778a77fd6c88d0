"""Journal entries as columns; how each looks as JSON is in `entry_shapes`."""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import orjson

from orchestrator.machine.stored_journal import entries_of
from orchestrator.model.rows import JournalChunk
from orchestrator.sql import entry_shapes
from orchestrator.sql.entry_shapes import Around, KnownCallees
from perdure.wire import codes, messages
from perdure.wire.errors import WireError
from perdure.wire.frames import HEADER_BYTES, code_of
from perdure.wire.messages import Message
from perdure.wire.notifications import Notification

_DECODED = {"name", "entry_json", "entry_lite_json"}
_SHOWN = {"entry_json", "entry_lite_json"}


def entries(
    chunks: Iterable[JournalChunk], wanted: Collection[str], callees: KnownCallees
) -> Iterator[dict[str, Any]]:
    """The chunks of a whole journal, the input first: one dict of columns an entry.

    What costs something is there only if it is wanted.
    """
    raw = [(at_ms, code_of(frame), frame) for at_ms, frame in entries_of(chunks)]
    decode = _decoded if _DECODED.intersection(wanted) else _undecoded
    found = [(code, decode(code, frame)) for _, code, frame in raw]
    around = Around(callees, entry_shapes.called_in(found))
    shown = bool(_SHOWN.intersection(wanted))
    for index, (at_ms, code, frame) in enumerate(raw):
        family, _, kind = codes.ENTRY_NAMES.get(code, f"Notification: {code:#06x}").partition(": ")
        message = found[index][1]
        columns = {
            "index": index,
            "entry_type": f"{family}: {kind}",
            "name": _name(message),
            "raw": frame[HEADER_BYTES:],
            "raw_length": len(frame) - HEADER_BYTES,
            "version": 2,
            "appended_at": at_ms,
        }
        if shown and message is not None:
            columns |= _json(kind, message, around)
        yield columns


def _name(message: Message | None) -> str | None:
    """Of a command, "" if it has none; notifications have none."""
    if message is None or isinstance(message, Notification):
        return None
    return entry_shapes.name_of(message)


def _json(kind: str, message: Message, around: Around) -> dict[str, str]:
    if isinstance(message, Notification):
        whole, light = entry_shapes.notification(kind, message)
    else:
        whole, light = entry_shapes.command(kind, message, around)
    return {
        "entry_json": orjson.dumps(whole).decode(),
        "entry_lite_json": orjson.dumps(light).decode(),
    }


def _decoded(code: int, frame: bytes) -> Message | None:
    try:
        return messages.decode_frame(code, frame)
    except WireError:
        return None


def _undecoded(code: int, frame: bytes) -> Message | None:
    return None
