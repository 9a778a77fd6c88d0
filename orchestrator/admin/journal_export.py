"""One invocation and its journal as a JSON document: what `perdure invocations export` prints.

The form is described in docs/python/replay.md. `entries` hold the bytes of the journal, so that
they can be replayed, and what is in them, so that people can read them.

A journal may have hundreds of megabytes: its text is made a piece at a time.
"""

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from orchestrator.door.targets import show_target
from orchestrator.model.ids import random_seed
from orchestrator.model.rows import CompletedRow, InvocationRow
from orchestrator.model.utc import utc_text
from orchestrator.model.values import COMPLETED, STATUS_NAMES
from orchestrator.processor.port import JournalEntry
from perdure.wire import messages
from perdure.wire.codes import ENTRY_NAMES
from perdure.wire.errors import WireError
from perdure.wire.frames import HEADER_BYTES, code_of
from perdure.wire.ids import invocation_id_to_str
from perdure.wire.spanned import told_fields

FORMAT: Final = "perdure-journal/1"
SHOWN_BYTES_MAX: Final = 256 * 1024
"""An entry larger than this is not shown: reading a large JSON holds up all else."""

_TEXT_COUNT: Final = 50  # entries of one piece, of some 40 us each
_TEXT_BYTES: Final = 256 * 1024
_NAMES: Final = ("key", "keys", "state_keys")
JournalDocument = dict[str, Any]


def journal_document(
    row: InvocationRow | CompletedRow, entries: Iterable[JournalEntry]
) -> JournalDocument:
    """The document of an invocation; `entries` is all of its journal, the input first."""
    shown = [_entry(index, at_ms, frame) for index, (at_ms, frame) in enumerate(entries)]
    return {**_head(row), "entries": shown}


def document_start(row: InvocationRow | CompletedRow) -> bytes:
    """The text of the document up to its entries."""
    return json.dumps(_head(row))[:-1].encode() + b', "entries": ['


def document_pieces(first: int, entries: Sequence[JournalEntry]) -> Iterator[bytes]:
    """The text of entries, the first of which has this index, a bounded piece at a time."""
    texts: list[str] = []
    size_bytes = 0
    for index, (at_ms, frame) in enumerate(entries, first):
        texts.append(json.dumps(_entry(index, at_ms, frame)))
        size_bytes += len(texts[-1])
        if len(texts) == _TEXT_COUNT or size_bytes >= _TEXT_BYTES:
            yield _joined(first, texts)
            first, texts, size_bytes = index + 1, [], 0
    if texts:
        yield _joined(first, texts)


def _joined(first: int, texts: list[str]) -> bytes:
    return ((", " if first else "") + ", ".join(texts)).encode()


DOCUMENT_END: Final = b"]}"


def _head(row: InvocationRow | CompletedRow) -> JournalDocument:
    invoke = row.invoke
    return {
        "format": FORMAT,
        "id": invocation_id_to_str(invoke.id),
        "target": show_target(invoke.service, invoke.handler, invoke.key),
        "service": invoke.service,
        "handler": invoke.handler,
        "key": invoke.key,
        "status": STATUS_NAMES[row.status if isinstance(row, InvocationRow) else COMPLETED],
        "created_at": utc_text(invoke.created_at_ms),
        "deployment_id": row.deployment or None,
        "protocol_version": row.protocol or None,
        "random_seed": str(invoke.seed or random_seed(invoke.id)),
        "idempotency_key": invoke.idempotency_key,
    }


def _entry(index: int, at_ms: int, frame: bytes) -> JournalDocument:
    code = code_of(frame)
    return {
        "index": index,
        "type": ENTRY_NAMES.get(code, f"{code:#06x}"),
        "code": code,
        "appended_at": utc_text(at_ms),
        "shown": _shown_message(code, frame),
        "payload": base64.b64encode(frame[HEADER_BYTES:]).decode(),
    }


def _shown_message(code: int, frame: bytes) -> Any:
    """What is in an entry, without fields that hold nothing; null if it cannot be read, or is too
    large."""
    if len(frame) > SHOWN_BYTES_MAX:
        return None
    try:
        return _shown(messages.decode_frame(code, frame))
    except WireError:
        return None


def _shown(value: Any) -> Any:
    if isinstance(value, bytes):
        return _shown_bytes(value)
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in told_fields(value)}
        return {
            name: _shown_name(held) if name in _NAMES else _shown(held)
            for name, held in fields.items()
            if held not in (None, "", (), b"")
        }
    if isinstance(value, tuple | list):
        return [_shown(one) for one in value]
    return value


def _shown_name(value: Any) -> Any:
    """Names of state are bytes, and text to people."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return [_shown_name(one) for one in value] if isinstance(value, tuple) else value


def _shown_bytes(value: bytes) -> Any:
    """JSON where the bytes are JSON, else base64 in an object."""
    try:
        found = json.loads(value, parse_constant=_refused)
        json.dumps(found, ensure_ascii=False).encode()  # half a surrogate pair cannot be written
    except (ValueError, RecursionError):
        return {"$base64": base64.b64encode(value).decode()}
    return found


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON")
