"""Exported journals: what `perdure invocations export` prints, read back."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from perdure.wire.errors import WireError
from perdure.wire.frames import frame
from perdure.wire.ids import parse_invocation_id
from perdure.wire.outgoing import start_message
from perdure.wire.versions import VERSION_MAX, is_supported

FORMAT: Final = "perdure-journal/1"


class BadJournal(ValueError):
    """What was given is no exported journal; the text says why."""


@dataclass(frozen=True, slots=True)
class RecordedJournal:
    """One invocation as `perdure invocations export` gives it."""

    id: str
    target: str
    service: str
    handler: str
    key: str
    version: int
    random_seed: int
    idempotency_key: str | None
    frames: tuple[bytes, ...]

    def request(self) -> bytes:
        """The body of the request that a server would send to have it replayed."""
        start = start_message(
            self.version,
            parse_invocation_id(self.id),
            self.id,
            len(self.frames),
            partial_state=True,
            key=self.key,
            random_seed=self.random_seed,
            idempotency_key=self.idempotency_key,
        )
        return b"".join((start, *self.frames))


def read_journals(text: str | bytes) -> list[RecordedJournal]:
    """The journals of an exported file: one document, or a list of them. Raises BadJournal."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise BadJournal(f"this is no JSON: {error}") from None
    documents = found if isinstance(found, list) else [found]
    return [_read(one) for one in documents]


def _read(found: Any) -> RecordedJournal:
    if not isinstance(found, Mapping) or found.get("format") != FORMAT:
        raise BadJournal(f"this is no exported journal: its format is not {FORMAT!r}")
    try:
        version = int(found["protocol_version"] or VERSION_MAX)
        journal = RecordedJournal(
            str(found["id"]),
            str(found["target"]),
            str(found["service"]),
            str(found["handler"]),
            str(found["key"]),
            version,
            int(found["random_seed"]),
            found["idempotency_key"],
            tuple(
                frame(int(one["code"]), base64.b64decode(one["payload"]))
                for one in found["entries"]
            ),
        )
        parse_invocation_id(journal.id)
    except (KeyError, TypeError, ValueError, WireError) as error:
        raise BadJournal(f"this exported journal cannot be read: {error!r}") from None
    if not is_supported(version):
        raise BadJournal(f"protocol version {version} is not spoken here")
    if not journal.frames:
        raise BadJournal("this exported journal is empty")
    return journal
