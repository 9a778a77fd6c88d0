"""What a test that failed shows: the journals of its invocations."""

from __future__ import annotations

import json
from typing import Any, Final, Protocol

JOURNALS_MAX: Final = 10
ENTRIES_MAX: Final = 40  # of a journal: its first and its last ones
_WIDTH: Final = 110


class Journals(Protocol):
    """An engine, as it is looked at."""

    async def invocations(self) -> list[str]: ...

    async def journal(self, invocation_id: str) -> dict[str, Any] | None: ...


def is_failure(error: BaseException) -> bool:
    """Whether a test failed by it; skipping one, or Ctrl-C, is no failure."""
    return isinstance(error, Exception) or type(error).__name__ == "Failed"


async def journals_text(engine: Journals) -> str:
    """The journals of the latest invocations, the first of them first."""
    try:
        ids = await engine.invocations()
        found = [await engine.journal(one) for one in ids[:JOURNALS_MAX]]
    except Exception as error:  # noqa: BLE001 - the test has failed by something else
        return f"the journals cannot be read: {error!r}"
    lines = ["perdure: what the journals hold"]
    if len(ids) > JOURNALS_MAX:
        lines.append(f"(of the latest {JOURNALS_MAX} invocations of {len(ids)})")
    for document in reversed(found):
        if document is not None:
            lines += journal_lines(document)
    return "\n".join(lines)


def journal_lines(document: dict[str, Any]) -> list[str]:
    """A journal for people: a line for each entry."""
    lines = [f"{document['target']} {document['status']} ({document['id']})"]
    entries = document["entries"]
    half = ENTRIES_MAX // 2
    for entry in entries:
        if half <= entry["index"] < len(entries) - half:
            if entry["index"] == half:
                lines.append(f"   ... {len(entries) - 2 * half} entries")
            continue
        kind = entry["type"].replace("Command: ", "").replace("Notification: ", "-> ")
        shown = json.dumps(entry["shown"], ensure_ascii=False, default=str)
        lines.append(f"  {entry['index']:3} {kind:22} {shown}"[:_WIDTH])
    return lines
